internal import Glibc
import LinuxSystem
import MicroHTTPD

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
        let target = try Target(url)
        let deadline = Clock.coarseMilliseconds + timeoutMilliseconds
        let request = "GET \(target.path) HTTP/1.1\r\nHost: \(target.host)\r\nConnection: close\r\n\r\n"
        let status: Int
        do throws(NoAnswer) {
            let socket = try Socket.connected(to: target.address, deadline)
            status =
                target.isEncrypted
                ? try socket.status(of: request, named: identities.serverName ?? target.name, identities, deadline)
                : try socket.status(of: request, deadline)
        } catch {
            throw .unreachable(url: url, reason: error.reason)
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

/// Where to ask, and for what.
private struct Target {
    let address: SocketAddress
    let isEncrypted: Bool
    /// The host's name or address.
    let name: String
    /// The host with its port.
    let host: String
    let path: String

    init(_ url: String) throws(HealthcheckError) {
        if url.hasPrefix("unix:") {
            guard let address = SocketAddress(path: String(url.dropFirst(5))) else { throw .invalidURL(url) }
            (self.address, name, host, path) = (address, "localhost", "localhost", "/livez")
            isEncrypted = false
            return
        }
        isEncrypted = url.hasPrefix("https://")
        let rest = url.dropFirst(isEncrypted ? 8 : 7)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        path = slash == rest.endIndex ? "/livez" : String(rest[slash...])
        host = String(rest[..<slash])
        guard isEncrypted || url.hasPrefix("http://"), url.utf8.allSatisfy({ (0x21...0x7e).contains($0) }),
            case .tcp(let name, let port)? = ListenAddress(host) ?? ListenAddress(host + (isEncrypted ? ":443" : ":80"))
        else { throw .invalidURL(url) }
        self.name = name
        do throws(ResolverError) {
            address = try SocketAddress(host: name, port: port)
        } catch {
            throw .unreachable(url: url, reason: error.reason)
        }
    }
}

// MARK: Asking, for a limited time

private struct NoAnswer: Error { let reason: String }

extension Socket {
    fileprivate static func connected(to address: SocketAddress, _ deadline: Int) throws(NoAnswer) -> Socket {
        do throws(SystemError) {
            let socket = try Socket(family: address.family)
            do throws(SystemError) {
                try socket.connect(address)
            } catch {
                guard error.code == EINPROGRESS else { throw error }
                try socket.wait(for: .writable, deadline)
                try socket.checkConnection()
            }
            return socket
        } catch {
            throw NoAnswer(reason: error.reason)
        }
    }

    fileprivate func status(of request: String, _ deadline: Int) throws(NoAnswer) -> Int {
        do throws(SystemError) {
            var rest = Array(request.utf8)[...]
            while !rest.isEmpty {
                try wait(for: .writable, deadline)
                let count = Self.send(rest.span, to: descriptor)
                if count < 0 { throw SystemError(call: "send", code: CInt(-count)) }
                rest = rest.dropFirst(count)
            }
            var line = StatusLine()
            while line.missingCount > 0 {
                try wait(for: .readable, deadline)
                if !line.add(try Self.receive(from: descriptor, limit: line.missingCount)) { break }
            }
            return line.status
        } catch {
            throw NoAnswer(reason: error.reason)
        }
    }

    /// - Parameter name: what the server's certificate must be for.
    fileprivate func status(
        of request: String, named name: String, _ identities: Healthcheck.Identities, _ deadline: Int
    ) throws(NoAnswer) -> Int {
        let own = identities.certificate.map { ($0, identities.key ?? $0) }
        let descriptor = descriptor
        do throws(TLSError) {
            let client = try TLSClient(
                self, serverName: name, TLSClient.Identities(authorities: identities.authorities, own: own)
            ) { readiness throws(TLSError) in
                do throws(SystemError) {
                    try Self.wait(for: readiness, of: descriptor, deadline)
                } catch {
                    throw TLSError(error.reason)
                }
            }
            try client.send(request)
            var line = StatusLine()
            while line.missingCount > 0, line.add(try client.receive(limit: line.missingCount)) {}
            return line.status
        } catch {
            throw NoAnswer(reason: error.reason)
        }
    }

    private func wait(for readiness: Readiness, _ deadline: Int) throws(SystemError) {
        try Self.wait(for: readiness, of: descriptor, deadline)
    }

    private static func wait(for readiness: Readiness, of descriptor: CInt, _ deadline: Int) throws(SystemError) {
        let left = CInt(clamping: max(0, deadline - Clock.coarseMilliseconds))
        guard try wait(for: readiness, of: descriptor, timeoutMilliseconds: left) else {
            throw SystemError(call: "poll", code: ETIMEDOUT)
        }
    }
}

/// The beginning of an answer, as far as to its status: `HTTP/1.1 200`.
private struct StatusLine {
    private var bytes: [UInt8] = []

    var missingCount: Int { 12 - bytes.count }

    /// - Returns: false at the end of the connection.
    mutating func add(_ received: [UInt8]) -> Bool {
        bytes += received
        return !received.isEmpty
    }

    /// 0 for an answer that is not HTTP.
    var status: Int {
        guard missingCount == 0, bytes.starts(with: "HTTP/1.".utf8) else { return 0 }
        return Int(String(decoding: bytes[9...], as: UTF8.self)) ?? 0
    }
}
