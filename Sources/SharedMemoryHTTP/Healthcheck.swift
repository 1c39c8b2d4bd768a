import HTTPClient

/// Checks whether a server answers, where there is no curl.
public enum Healthcheck {
    /// `/livez` of a server that listens on the default address.
    public static let defaultURL = url(of: ServerConfiguration().listen[0])

    /// The URL to check, on this host, for a server that listens on an address.
    public static func url(of address: ListenAddress) -> String {
        switch address {
        case .unix: "\(address)"
        case .tcp("0.0.0.0", let port): "http://127.0.0.1:\(port)/livez"
        case .tcp("::", let port): "http://[::1]:\(port)/livez"
        case .tcp: "http://\(address)/livez"
        case .https("0.0.0.0", let port): "https://127.0.0.1:\(port)/livez"
        case .https("::", let port): "https://[::1]:\(port)/livez"
        case .https: "\(address)/livez"
        }
    }

    /// What a server at an `https` URL must prove, and what the client proves to it.
    public struct Identities: Sendable {
        /// A PEM file of the authorities of which one must have signed the server's certificate; nil for the system's.
        public var authorities: String?
        /// The name that the server's certificate must have; nil for the host in the URL.
        public var serverName: String?
        /// A PEM file with the client's certificate, if the server requires one.
        public var certificate: String?
        /// The PEM file with its key.
        public var key: String?

        public init() {}
    }

    /// Gets a URL, and returns if the answer is a success.
    ///
    /// - Parameters:
    ///   - url: `http://HOST:PORT/PATH`, `https://HOST:PORT/PATH`, or `unix:PATH` for `/livez` of a server at that socket.
    ///   - timeoutMilliseconds: the time for all of it, except for looking up the host's name.
    ///   - identities: for `https` only.
    /// - Throws: ``HealthcheckError``
    public static func check(
        _ url: String = defaultURL, timeoutMilliseconds: Int = 2000, _ identities: Identities = Identities()
    ) throws(HealthcheckError) {
        guard let target = ServerURL(url) else { throw .invalidURL(url) }
        var identity = ClientIdentity()
        identity.authorities = identities.authorities
        identity.serverName = identities.serverName
        identity.certificate = identities.certificate
        identity.key = identities.key
        var request = HTTPRequest("GET", target.path.isEmpty ? "/livez" : target.path)
        request.add("Connection", "close")
        let limits = ClientLimits(timeoutMilliseconds: timeoutMilliseconds)
        let status: Int
        do throws(HTTPFault) {
            status = try HTTPConnection(to: target, limits, identity).exchange(request).status
        } catch .malformed {
            status = 0
        } catch {
            throw .unreachable(url: url, reason: error.description)
        }
        guard (200..<300).contains(status) else { throw .unhealthy(url: url, status: status) }
    }
}

/// Why a server is not healthy.
public enum HealthcheckError: Error, Hashable, Sendable, CustomStringConvertible {
    case invalidURL(String)
    case unreachable(url: String, reason: String)
    /// `status` is 0 for an answer that is not HTTP.
    case unhealthy(url: String, status: Int)

    public var description: String {
        switch self {
        case .invalidURL(let url):
            "'\(url)' is not of the form http://HOST:PORT/PATH, https://HOST:PORT/PATH or unix:PATH."
        case .unreachable(let url, let reason): "\(url) does not answer: \(reason)."
        case .unhealthy(let url, let status): "\(url) answers with status \(status), not with success."
        }
    }
}
