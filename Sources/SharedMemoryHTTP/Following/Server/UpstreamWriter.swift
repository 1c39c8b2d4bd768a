import Etcd
import HTTPClient
import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory

/// Passes on PUTs to the server that is followed.
final class UpstreamWriter: ReplicaWriter {
    let replica: Replica
    private let upstream: Upstream
    private var kept: KeptConnection<HTTPConnection>?

    private static let connectTimeoutMilliseconds = 1000

    init(_ replica: Replica, _ upstream: Upstream) { (self.replica, self.upstream) = (replica, upstream) }

    var noun: String { upstream.noun }

    /// Text that has etcd's versions comes from servers that know keys.
    var knowsKeys: Bool { replica.order == .revision }

    func base(for write: PassedWrite) throws(Problem) -> WriteBase {
        if let tag = write.conditions.onlyMatch {
            guard let version = Version(tag.opaque) else { throw replica.preconditionFailed }
            return WriteBase(version)
        }
        if !write.conditions.isPresent, let known = replica.known { return WriteBase(known) }
        // Other conditions are evaluated against the origin's current version.
        let limits = ClientLimits(timeoutMilliseconds: Self.connectTimeoutMilliseconds)
        var request = upstream.request("HEAD", replica.name, via: write.via)
        request.add("Prefer", "consistent")
        let response: HTTPResponse
        do throws(HTTPFault) {
            response = try upstream.connect(limits).exchange(request)
        } catch {
            throw .originUnreachable(noun)
        }
        if (400..<500).contains(response.status) { throw badOrigin(response.status) }
        guard let version = try? upstream.version(in: response) else { throw .originUnreachable(noun) }
        let lastModified = response["last-modified"].flatMap { HTTPDate.parse(Array($0.utf8).span) }
        guard write.conditions.permitReplacing(EntityTag(version), lastModified: lastModified ?? .max) else {
            throw .preconditionFailed(current: EntityTag(version))
        }
        return WriteBase(version)
    }

    private func badOrigin(_ status: Int) -> Problem { .badOrigin(noun, "answers with status \(status)") }

    func send(_ write: PassedWrite, _ attempt: WriteAttempt) -> WriteVerdict {
        var request = upstream.request("PUT", replica.name, via: write.via)
        request.add("If-Match", "\"\(attempt.base.version)\"")
        request.add("Idempotency-Key", attempt.key)
        request.body = write.text
        let last = kept
        kept = nil
        do throws(HTTPFault) {
            var current: KeptConnection<HTTPConnection>
            if let last, last.isFresh, last.offset == attempt.offset, last.connection.isOpen {
                current = last
            } else {
                let limits = ClientLimits(timeoutMilliseconds: Self.connectTimeoutMilliseconds)
                current = KeptConnection(try upstream.connect(limits, offset: attempt.offset), attempt.offset)
            }
            current.connection.limits.renew(timeoutMilliseconds: write.tryTimeoutMilliseconds)
            let response = try current.connection.exchange(request)
            let body = try current.connection.readAll(limit: 1 << 16)
            current.noteUse()
            kept = current
            return verdict(response, body, attempt)
        } catch {
            return error.isUnsent ? .unsent : .open
        }
    }

    private func verdict(_ response: HTTPResponse, _ body: [UInt8], _ attempt: WriteAttempt) -> WriteVerdict {
        guard response.status != 204, response.status != 412 else {
            guard let version = Upstream.version(response) else { return .open }
            if response.status == 204 { return .set(version) }
            // The earlier try may be what has replaced the base, unless the server answers for all tries with this key.
            let isFinal = !attempt.isOpen || response["idempotency-key"] == attempt.key
            return isFinal ? .notSet(current: WriteBase(version)) : .undecidable
        }
        return switch response.status {
        case 400, 413, 415, 507: .refused(passedOn(response, body))
        case 401, 403, 404, 405, 409, 421, 508: .refused(.problem(badOrigin(response.status)))
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
