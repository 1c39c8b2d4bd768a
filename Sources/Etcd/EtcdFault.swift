package import HTTPClient
import HTTPMessages

/// Why etcd has not answered as it was asked.
package enum EtcdFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// There was no answer.
    case http(HTTPFault)
    /// etcd has answered with an error.
    case refused(status: Int, message: String)
    /// A watch has ended, because the revisions that it asked for are compacted, or for another reason.
    case canceled(isCompacted: Bool, reason: String)
    case malformed(reason: String)

    init(_ status: Int, _ body: [UInt8]) {
        if let answer = JSONValue(body) {
            self.init(status, answer)
        } else {
            // etcd's gateway, or a proxy, may answer with plain text instead of JSON.
            let line = body.prefix(200).prefix { $0 >= 0x20 && $0 < 0x7f }
            self = .refused(
                status: status,
                message: "status \(status)" + (line.isEmpty ? "" : ", " + String(decoding: line, as: UTF8.self)))
        }
    }

    init(_ status: Int, _ answer: JSONValue) {
        // Newer versions have no `error`; that of a watch is an object.
        let error = answer["error"].flatMap { $0.string == nil ? $0 : nil } ?? answer
        let message = error["message"]?.string ?? error["error"]?.string ?? "status \(status)"
        self = .refused(status: status, message: message)
    }

    package var description: String {
        switch self {
        case .http(let fault): "\(fault)"
        case .refused(_, let message): "it says: \(message)"
        case .canceled(_, let reason): "it has canceled the watch: \(reason)"
        case .malformed(let reason): "its answer is not one of etcd's: \(reason)"
        }
    }

    private var message: String { if case .refused(_, let message) = self { message } else { "" } }

    /// Whether the request lacks a token that is valid now.
    var asksForLogin: Bool {
        guard case .refused(let status, let message) = self else { return false }
        return status == 401 || message.contains("user name is empty") || message.contains("invalid auth token")
            || message.contains("revision of auth store is old")
    }

    /// Whether etcd has no users.
    var saysThatThereAreNoUsers: Bool { message.contains("not enabled") }

    /// Whether the text is longer than etcd accepts, so that nothing was done.
    package var isForLength: Bool { message.contains("too large") || message.contains("larger than max") }

    /// Whether etcd has no space left, which does not tell whether the transaction was carried out.
    package var isForSpace: Bool { message.contains("space exceeded") }

    /// Whether the user may not do this, so that nothing was done.
    package var isForPermission: Bool {
        guard case .refused(let status, _) = self else { return false }
        return status == 401 || status == 403 || asksForLogin || message.contains("authentication failed")
    }

    /// Whether etcd rejects the request itself, so that nothing was done.
    package var isForRequest: Bool {
        if case .refused(let status, _) = self { status == 400 || status == 404 } else { false }
    }

    /// Whether etcd cannot have received the request.
    package var isUnsent: Bool { if case .http(let fault) = self { fault.isUnsent } else { false } }
}
