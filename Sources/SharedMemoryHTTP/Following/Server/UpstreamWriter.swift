import Etcd
import HTTPClient
import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory

/// Passes on the PUTs of one segment to the server that is followed.
///
/// It sends each with `If-Match`, whatever the client's conditions. So it can send a PUT again if no answer comes, and never
/// overwrites what another writer has set in between. It answers a successful PUT once the event stream has delivered the text.
final class UpstreamWriter: ReplicaWriter {
    private let replica: Replica
    private let upstream: Upstream
    private let log: ServerLog
    private var kept: KeptConnection<HTTPConnection>?

    private static let connectTimeoutMilliseconds = 1000

    init(_ replica: Replica, _ upstream: Upstream, _ log: ServerLog) {
        (self.replica, self.upstream, self.log) = (replica, upstream, log)
    }

    /// What a server's answer decides.
    private enum Verdict {
        case set(Version)
        /// - Parameter isFinal: whether earlier tries have not replaced the base either, and will not.
        case notMatched(current: Version, isFinal: Bool)
        /// Nothing was set, and nothing else will do.
        case refused(AwaitedAnswer.Answer)
        /// The request did not reach the server.
        case unsent
        /// It may have been carried out, or may yet be.
        case open
    }

    func perform(_ write: PassedWrite, until end: borrowing EventDescriptor) {
        var base: Version
        switch self.base(for: write) {
        case .version(let version): base = version
        case .none(let problem): return write.answer(.problem(problem))
        }
        let key = write.idempotencyKey ?? UInt64.random(in: 1 ... .max).writeID
        // A client that names a key may have sent the PUT before.
        var isOpen = write.idempotencyKey != nil
        var offset = 0
        while !write.isDue, !end.isSignalled() {
            switch send(write, key, base, offset) {
            case .set(let version): return write.answer(with: version, onceAdoptedBy: replica, log)
            case .notMatched(let current, let isFinal):
                // The earlier try may be what has replaced the base.
                if isOpen, !isFinal { return write.answer(.problem(.outcomeUnknown(upstream.noun, base))) }
                guard write.permitsReplacing(current) else {
                    return write.answer(.problem(.preconditionFailed(current: EntityTag(current))))
                }
                (base, isOpen) = (current, false)
            case .refused(let answer):
                return write.answer(isOpen ? .problem(.outcomeUnknown(upstream.noun, base)) : answer)
            case .unsent: offset += 1
            case .open: (offset, isOpen) = (offset + 1, true)
            }
            if offset > 0 { BackgroundThread.pause(milliseconds: min(200, 10 * offset)) }
        }
        let noun = upstream.noun
        write.answer(.problem(isOpen ? .outcomeUnknown(noun, base) : .originUnreachable(noun)))
    }

    private enum Base {
        case version(Version)
        /// Nothing can be set.
        case none(Problem)
    }

    /// The version that the text is to replace.
    private func base(for write: PassedWrite) -> Base {
        if let tag = write.conditions.onlyMatch {
            guard let version = Version(tag.opaque) else { return .none(replica.preconditionFailed) }
            return .version(version)
        }
        if !write.conditions.isPresent, let known = replica.known { return .version(known) }
        // Other conditions are evaluated against the origin's current version.
        do throws(FollowEnd) {
            let limits = ClientLimits(timeoutMilliseconds: Self.connectTimeoutMilliseconds)
            var request = upstream.request("HEAD", replica.name, via: write.via)
            request.add("Prefer", "consistent")
            let response = try FollowEnd.from { () throws(HTTPFault) in try upstream.connect(limits).exchange(request) }
            if (400..<500).contains(response.status) { return .none(badOrigin(response.status)) }
            let version = try upstream.version(in: response)
            let lastModified = response["last-modified"].flatMap { HTTPDate.parse(Array($0.utf8).span) }
            guard write.conditions.permitReplacing(EntityTag(version), lastModified: lastModified ?? .max) else {
                return .none(.preconditionFailed(current: EntityTag(version)))
            }
            return .version(version)
        } catch {
            return .none(.originUnreachable(upstream.noun))
        }
    }

    private func badOrigin(_ status: Int) -> Problem { .badOrigin(upstream.noun, "answers with status \(status)") }

    private func send(_ write: PassedWrite, _ key: String, _ base: Version, _ offset: Int) -> Verdict {
        var request = upstream.request("PUT", replica.name, via: write.via)
        request.add("If-Match", "\"\(base)\"")
        request.add("Idempotency-Key", key)
        request.body = write.text
        let last = kept
        kept = nil
        do throws(HTTPFault) {
            var current: KeptConnection<HTTPConnection>
            if let last, last.isFresh, last.offset == offset, last.connection.isOpen {
                current = last
            } else {
                let limits = ClientLimits(timeoutMilliseconds: Self.connectTimeoutMilliseconds)
                current = KeptConnection(try upstream.connect(limits, offset: offset), offset)
            }
            current.connection.limits.renew(timeoutMilliseconds: write.tryTimeoutMilliseconds)
            let response = try current.connection.exchange(request)
            let body = try current.connection.readAll(limit: 1 << 16)
            current.noteUse()
            kept = current
            return verdict(response, body, key)
        } catch {
            return error.isUnsent ? .unsent : .open
        }
    }

    private func verdict(_ response: HTTPResponse, _ body: [UInt8], _ key: String) -> Verdict {
        switch response.status {
        case 204: Upstream.version(response).map { .set($0) } ?? .open
        case 412:
            // A server that knows keys answers for all tries with this one.
            Upstream.version(response).map { .notMatched(current: $0, isFinal: response["idempotency-key"] == key) }
                ?? .open
        case 400, 413, 415, 507: .refused(passedOn(response, body))
        case 401, 403, 404, 405, 421, 508:
            .refused(.problem(badOrigin(response.status)))
        default: .open
        }
    }

    /// The server's own problem, for the client.
    private func passedOn(_ response: HTTPResponse, _ body: [UInt8]) -> AwaitedAnswer.Answer {
        guard response["content-type"] == "application/problem+json",
            let status = Status(rawValue: UInt32(response.status))
        else {
            return .problem(badOrigin(response.status))
        }
        let answer = Response(body)
        answer.addDate()
        answer.add(.contentType, "application/problem+json")
        answer.add(.cacheControl, "no-store")
        if let version = Upstream.version(response) { answer.add(.entityTag, EntityTag(version)) }
        return .response(status, answer)
    }
}

extension PassedWrite {
    /// Whether the conditions hold for a version that has replaced the one before.
    func permitsReplacing(_ version: Version) -> Bool {
        // `If-Match` with one tag was for the version before.
        conditions.onlyMatch == nil && conditions.permitReplacing(EntityTag(version), lastModified: .max)
    }
}

extension Replica {
    /// The problem for a client whose version cannot be the current one.
    var preconditionFailed: Problem { known.map { .preconditionFailed(current: EntityTag($0)) } ?? .unattached }
}
