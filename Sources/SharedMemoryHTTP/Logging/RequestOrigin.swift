import HTTPMessages
import LinuxSystem
import Logging
import MicroHTTPD

/// Where a request comes from, for the log.
struct RequestOrigin: Sendable {
    /// An address, or `unix`.
    let client: String
    /// The user at the other end of a Unix socket.
    let user: UInt32?
    /// The name of the token that was presented, if it has one.
    let token: String?
    let requestID: String?
    /// `traceparent`, as in W3C Trace Context.
    let traceParent: String?

    init(_ request: Request, _ head: RequestHead, token: String?, _ proxies: TrustedProxies) {
        user = request.peer?.user
        let peer = request.clientAddress ?? "unix"
        client = head.forwarded.client(peer: peer, isTrusted: proxies.contains)
        (self.token, requestID, traceParent) = (token, head.requestID, head.traceParent)
    }

    var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["client": "\(client)"]
        if let user { metadata["user"] = "\(user)" }
        if let token { metadata["token"] = "\(token)" }
        if let requestID { metadata["request_id"] = "\(requestID)" }
        if let traceParent { metadata["traceparent"] = "\(traceParent)" }
        return metadata
    }
}

/// The proxies that are trusted to name the client's address.
struct TrustedProxies: Sendable {
    private let prefixes: [NetworkPrefix]
    private let trustsUnix: Bool

    /// - Parameter texts: addresses, ranges such as `10.0.0.0/8`, or `unix`.
    init(_ texts: [String]) throws(ServerError) {
        trustsUnix = texts.contains("unix")
        prefixes = try texts.filter { $0 != "unix" }.map { text throws(ServerError) in
            guard let prefix = NetworkPrefix(text) else {
                throw .invalidOption(
                    name: ServerOption.trustedProxy.name,
                    problem:
                        "'\(text)' is not the address of a proxy: use an address, a range such as 10.0.0.0/8, or unix.")
            }
            return prefix
        }
    }

    func contains(_ address: String) -> Bool {
        address == "unix" ? trustsUnix : prefixes.contains { $0.contains(address) }
    }
}
