import HTTPClient
import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import Synchronization

/// Passes on the PUTs of one text to the server that is followed, one after another, in a thread of its own.
///
/// Each is sent with `If-Match`, whatever its client's conditions: so it can be sent again if no answer comes, and never
/// replaces what came in between. What is set is answered once the event stream has brought it back.
final class UpstreamWriter: Sendable {
    struct Write {
        let text: [UInt8]
        let conditions: Conditions
        /// How the request came to this server.
        let via: String
        let deadline: Int
        /// For the log; nil if the change is not logged.
        let origin: RequestOrigin?
        let answer: @Sendable (AwaitedAnswer.Answer) -> Void
    }

    private let replica: Replica
    private let upstream: Upstream
    private let log: ServerLog
    private let isStopped = Atomic(false)
    private let inbox = Mutex(Inbox())
    private let wakeUp: EventDescriptor
    private let thread = Mutex<BackgroundThread?>(nil)

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

        /// A server may end an idle connection while a PUT is on its way, and what became of that would be open.
        var isFresh: Bool { connection.isReusable && Clock.coarseMilliseconds - lastUse < 5000 }
    }

    private static let tryTimeoutMilliseconds = 1000
    static let timeoutMilliseconds = 5000
    private static let waitingLimit = 1000

    init(_ replica: Replica, _ upstream: Upstream, _ log: ServerLog) throws(SystemError) {
        (self.replica, self.upstream, self.log) = (replica, upstream, log)
        wakeUp = try EventDescriptor()
    }

    func start() throws(SystemError) {
        let started = try BackgroundThread(named: "sharedmem pass") { [self] in run() }
        thread.withLock { $0 = started }
    }

    /// Ends what is under way after its current try.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        inbox.withLock { $0.isStopped = true }
        wakeUp.signal()
        thread.withLock { $0 }?.join()
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

    private func run() {
        var kept: Kept?
        while true {
            let (writes, isStopped) = inbox.withLock { inbox in
                defer { inbox.writes = [] }
                return (inbox.writes, inbox.isStopped)
            }
            for write in writes {
                isStopped ? write.answer(.problem(.draining)) : perform(write, &kept)
            }
            if isStopped { return }
            if writes.isEmpty { wakeUp.wait(timeoutMilliseconds: -1) }
        }
    }
}

// MARK: One write

extension UpstreamWriter {
    /// What a server answers, as far as it decides.
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

    private func perform(_ write: Write, _ kept: inout Kept?) {
        var base: Version
        switch self.base(for: write) {
        case .version(let version): base = version
        case .none(let problem): return write.answer(.problem(problem))
        }
        var isOpen = false
        var offset = 0
        while Clock.coarseMilliseconds < write.deadline, !isStopped.load(ordering: .relaxed) {
            switch send(write, base, offset, &kept) {
            case .set(let version):
                if let origin = write.origin { log.set(replica.name, version, byteCount: write.text.count, origin) }
                return answerOnceAdopted(version, write)
            case .notMatched(let current):
                // It may be the earlier try that has replaced the base.
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
        // Other conditions are judged for the version that the origin has now.
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

    /// What a client is told whose version cannot be the current one.
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
                current.connection.limits.renew(timeoutMilliseconds: Self.tryTimeoutMilliseconds)
            } else {
                let limits = ClientLimits(timeoutMilliseconds: Self.tryTimeoutMilliseconds)
                current = Kept(connection: try upstream.connect(limits, offset: offset), offset: offset)
            }
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
