import HTTPClient
import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import Synchronization

/// Passes on the PUTs of one segment to the server that is followed, one after another.
///
/// It sends each with `If-Match`, whatever the client's conditions. So it can send a PUT again if no answer comes, and never
/// overwrites what another writer has set in between. It answers a successful PUT once the event stream has delivered the text.
final class UpstreamWriter: Sendable {
    struct Write {
        let text: [UInt8]
        let conditions: Conditions
        /// How the request came to this server.
        let via: String
        /// For the log; nil if the change is not logged.
        let origin: RequestOrigin?
        let answer: @Sendable (AwaitedAnswer.Answer) -> Void
        let deadline: Int
        /// For one try; a long text takes its time on a slow network.
        let tryTimeoutMilliseconds: Int

        init(
            _ text: [UInt8], _ conditions: Conditions, via: String, _ origin: RequestOrigin?,
            _ answer: @escaping @Sendable (AwaitedAnswer.Answer) -> Void
        ) {
            (self.text, self.conditions, self.via, self.origin, self.answer) = (text, conditions, via, origin, answer)
            let transfer = TimeLimits.milliseconds(for: text.count)
            tryTimeoutMilliseconds = UpstreamWriter.tryTimeoutMilliseconds + transfer
            deadline = Clock.coarseMilliseconds + UpstreamWriter.timeoutMilliseconds + transfer
        }
    }

    private let replica: Replica
    private let upstream: Upstream
    private let log: ServerLog
    private let inbox = Mutex(Inbox())
    private let wakeUp: EventDescriptor

    private struct Inbox {
        var writes: [Write] = []
        var isStopped = false
    }

    /// A connection that is kept for the next PUT.
    private struct Kept {
        let connection: HTTPConnection
        /// How many servers after the current one.
        let offset: Int
        var lastUse = Clock.coarseMilliseconds

        /// A server may end an idle connection just as a PUT is sent: then it would be unknown whether the PUT was applied.
        var isFresh: Bool { connection.isReusable && Clock.coarseMilliseconds - lastUse < 5000 }
    }

    private static let tryTimeoutMilliseconds = 1000
    private static let timeoutMilliseconds = 5000
    private static let waitingLimit = 1000

    init(_ replica: Replica, _ upstream: Upstream, _ log: ServerLog) throws(SystemError) {
        (self.replica, self.upstream, self.log) = (replica, upstream, log)
        wakeUp = try EventDescriptor()
    }

    /// Passes on a PUT.
    func add(_ write: Write) {
        let isTaken = inbox.withLock { inbox in
            guard !inbox.isStopped, inbox.writes.count < Self.waitingLimit else { return false }
            inbox.writes.append(write)
            return true
        }
        if isTaken {
            wakeUp.signal()
        } else {
            write.answer(.problem(.unavailable("Too many requests wait. Try again.")))
        }
    }

    /// Runs until `end` is signalled, and answers everything that is left then.
    func run(until end: borrowing EventDescriptor) {
        var kept: Kept?
        repeat {
            for write in take() { perform(write, &kept, until: end) }
        } while wakeUp.wait(orUntil: end)
        inbox.withLock { $0.isStopped = true }
        for write in take() { write.answer(.problem(.draining)) }
    }

    private func take() -> [Write] {
        inbox.withLock { inbox in
            defer { inbox.writes = [] }
            return inbox.writes
        }
    }
}

// MARK: One write

extension UpstreamWriter {
    /// What a server's answer decides.
    private enum Verdict {
        case set(Version)
        case notMatched(current: Version)
        /// Nothing was set, and nothing else will do.
        case refused(AwaitedAnswer.Answer)
        /// The request did not reach the server.
        case unsent
        /// It may have been carried out, or may yet be.
        case open
    }

    private func perform(_ write: Write, _ kept: inout Kept?, until end: borrowing EventDescriptor) {
        var base: Version
        switch self.base(for: write) {
        case .version(let version): base = version
        case .none(let problem): return write.answer(.problem(problem))
        }
        var isOpen = false
        var offset = 0
        while Clock.coarseMilliseconds < write.deadline, !end.isSignalled() {
            switch send(write, base, offset, &kept) {
            case .set(let version):
                if let origin = write.origin { log.set(replica.name, version, byteCount: write.text.count, origin) }
                return answerOnceAdopted(version, write)
            case .notMatched(let current):
                // The earlier try may be what has replaced the base.
                if isOpen { return write.answer(.problem(.outcomeUnknown(base))) }
                if write.conditions.isPresent {
                    return write.answer(.problem(.preconditionFailed(current: EntityTag(current))))
                }
                base = current
            case .refused(let answer):
                return write.answer(isOpen ? .problem(.outcomeUnknown(base)) : answer)
            case .unsent: offset += 1
            case .open: (offset, isOpen) = (offset + 1, true)
            }
            if offset > 0 { BackgroundThread.pause(milliseconds: min(200, 10 * offset)) }
        }
        write.answer(.problem(isOpen ? .outcomeUnknown(base) : .originUnreachable))
    }

    private enum Base {
        case version(Version)
        /// Nothing can be set.
        case none(Problem)
    }

    /// The version that the text is to replace.
    private func base(for write: Write) -> Base {
        if let tag = write.conditions.onlyMatch {
            guard let version = Version(tag.opaque) else { return .none(currentProblem) }
            return .version(version)
        }
        if !write.conditions.isPresent, let known = replica.known { return .version(known) }
        // Other conditions are evaluated against the origin's current version.
        do throws(FollowEnd) {
            let limits = ClientLimits(timeoutMilliseconds: Self.tryTimeoutMilliseconds)
            var request = upstream.request("HEAD", replica.name, via: write.via)
            request.add("Prefer", "consistent")
            let response = try FollowEnd.from { () throws(HTTPFault) in try upstream.connect(limits).exchange(request) }
            if (400..<500).contains(response.status) { return .none(.badOrigin(status: response.status)) }
            let version = try upstream.version(in: response)
            let lastModified = response["last-modified"].flatMap { HTTPDate.parse(Array($0.utf8).span) }
            guard write.conditions.permitReplacing(EntityTag(version), lastModified: lastModified ?? .max) else {
                return .none(.preconditionFailed(current: EntityTag(version)))
            }
            return .version(version)
        } catch {
            return .none(.originUnreachable)
        }
    }

    /// The problem for a client whose version cannot be the current one.
    private var currentProblem: Problem {
        replica.known.map { .preconditionFailed(current: EntityTag($0)) } ?? .unattached
    }

    private func send(_ write: Write, _ base: Version, _ offset: Int, _ kept: inout Kept?) -> Verdict {
        var request = upstream.request("PUT", replica.name, via: write.via)
        request.add("If-Match", "\"\(base)\"")
        request.body = write.text
        let last = kept
        kept = nil
        do throws(HTTPFault) {
            var current: Kept
            if let last, last.isFresh, last.offset == offset {
                current = last
            } else {
                let limits = ClientLimits(timeoutMilliseconds: Self.tryTimeoutMilliseconds)
                current = Kept(connection: try upstream.connect(limits, offset: offset), offset: offset)
            }
            current.connection.limits.renew(timeoutMilliseconds: write.tryTimeoutMilliseconds)
            let response = try current.connection.exchange(request)
            let body = try current.connection.readAll(limit: 1 << 16)
            current.lastUse = Clock.coarseMilliseconds
            kept = current
            return verdict(response, body)
        } catch {
            return error.isUnsent ? .unsent : .open
        }
    }

    private func verdict(_ response: HTTPResponse, _ body: [UInt8]) -> Verdict {
        switch response.status {
        case 204: Upstream.version(response).map { .set($0) } ?? .open
        case 412: Upstream.version(response).map { .notMatched(current: $0) } ?? .open
        case 400, 413, 415, 507: .refused(passedOn(response, body))
        case 401, 403, 404, 405, 421, 508:
            .refused(.problem(.badOrigin(status: response.status)))
        default: .open
        }
    }

    /// The server's own problem, for the client.
    private func passedOn(_ response: HTTPResponse, _ body: [UInt8]) -> AwaitedAnswer.Answer {
        guard response["content-type"] == "application/problem+json",
            let status = Status(rawValue: UInt32(response.status))
        else {
            return .problem(.badOrigin(status: response.status))
        }
        let answer = Response(body)
        answer.addDate()
        answer.add(.contentType, "application/problem+json")
        answer.add(.cacheControl, "no-store")
        if let version = Upstream.version(response) { answer.add(.entityTag, EntityTag(version)) }
        return .response(status, answer)
    }

    private func answerOnceAdopted(_ version: Version, _ write: Write) {
        let left = max(0, write.deadline - Clock.coarseMilliseconds)
        replica.wait(for: .version(version), timeoutMilliseconds: left) { isAdopted in
            write.answer(isAdopted ? SetOutcome.set(version).answer : .problem(.setButNotSeen(version)))
        }
    }
}

extension Problem {
    fileprivate static func outcomeUnknown(_ base: Version) -> Problem {
        Problem(
            .outcomeUnknown,
            "The server that this one follows did not answer. The text may be set, or may yet be, but only in place of "
                + "version \(base). Get the text to find out.",
            members: [("base", .text("\(base)"))])
    }

    fileprivate static func setButNotSeen(_ version: Version) -> Problem {
        Problem(
            .outcomeUnknown,
            "The text was set as version \(version), but this server has yet to see it. Get the text to find out.",
            members: [("version", .text("\(version)"))], headers: [(.entityTag, EntityTag(version).quoted)])
    }

    static let originUnreachable = Problem.unavailable(
        "Nothing was set: the server that this one follows cannot be reached. Try again.")

    static func badOrigin(status: Int) -> Problem {
        Problem(.badOrigin, "The server that this one follows answers with status \(status). Ask its operator.")
    }

    static let loop = Problem(
        .loop, "The servers on the way follow each other, and none of them is the origin. Have one follow none.")

    static let notConfirmed = Problem.unavailable(
        "The server that this one follows does not confirm the text in time. Try again, or get the text without Prefer."
    )
}
