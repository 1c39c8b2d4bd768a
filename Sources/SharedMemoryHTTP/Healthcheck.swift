internal import Glibc
import LinuxSystem

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
        }
    }

    /// Gets a URL, and returns if the answer is a success.
    ///
    /// - Parameters:
    ///   - url: `http://HOST:PORT/PATH`, or `unix:PATH` for `/livez` of a server at that socket.
    ///   - timeoutMilliseconds: the time for all of it, except for looking up the host's name.
    /// - Throws: ``HealthcheckError``
    public static func check(_ url: String = defaultURL, timeoutMilliseconds: Int = 2000) throws(HealthcheckError) {
        let target = try Target(url)
        let deadline = Clock.coarseMilliseconds + timeoutMilliseconds
        let status: Int
        do throws(SystemError) {
            let socket = try Socket(family: target.address.family)
            try socket.connect(target.address, deadline)
            try socket.send(
                "GET \(target.path) HTTP/1.1\r\nHost: \(target.host)\r\nConnection: close\r\n\r\n", deadline)
            status = try socket.receiveStatus(deadline)
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
        case .invalidURL(let url): "'\(url)' is not of the form http://HOST:PORT/PATH or unix:PATH."
        case .unreachable(let url, let reason): "\(url) does not answer: \(reason)."
        case .unhealthy(let url, let status): "\(url) answers with status \(status), not with success."
        }
    }
}

/// Where to ask, and for what.
private struct Target {
    let address: SocketAddress
    let host: String
    let path: String

    init(_ url: String) throws(HealthcheckError) {
        if url.hasPrefix("unix:") {
            guard let address = SocketAddress(path: String(url.dropFirst(5))) else { throw .invalidURL(url) }
            (self.address, host, path) = (address, "localhost", "/livez")
            return
        }
        let rest = url.dropFirst(7)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        path = slash == rest.endIndex ? "/livez" : String(rest[slash...])
        host = String(rest[..<slash])
        guard url.hasPrefix("http://"), url.utf8.allSatisfy({ (0x21...0x7e).contains($0) }),
            case .tcp(let name, let port)? = ListenAddress(host) ?? ListenAddress(host + ":80")
        else { throw .invalidURL(url) }
        do throws(ResolverError) {
            address = try SocketAddress(host: name, port: port)
        } catch {
            throw .unreachable(url: url, reason: error.reason)
        }
    }
}

// MARK: Asking, for a limited time

extension Socket {
    fileprivate func connect(_ address: SocketAddress, _ deadline: Int) throws(SystemError) {
        do throws(SystemError) {
            try connect(address)
        } catch {
            guard error.code == EINPROGRESS else { throw error }
            try wait(for: .writable, deadline)
            try checkConnection()
        }
    }

    fileprivate func send(_ text: String, _ deadline: Int) throws(SystemError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            try wait(for: .writable, deadline)
            let count = Self.send(rest.span, to: descriptor)
            if count < 0 { throw SystemError(call: "send", code: CInt(-count)) }
            rest = rest.dropFirst(count)
        }
    }

    /// The number in `HTTP/1.1 200 …`; 0 when there is none.
    fileprivate func receiveStatus(_ deadline: Int) throws(SystemError) -> Int {
        var line: [UInt8] = []
        while line.count < 12 {
            try wait(for: .readable, deadline)
            let received = try Self.receive(from: descriptor, limit: 12 - line.count)
            if received.isEmpty { return 0 }
            line += received
        }
        guard line.starts(with: "HTTP/1.".utf8) else { return 0 }
        return Int(String(decoding: line[9...], as: UTF8.self)) ?? 0
    }

    private func wait(for readiness: Readiness, _ deadline: Int) throws(SystemError) {
        let left = CInt(clamping: max(0, deadline - Clock.coarseMilliseconds))
        guard try Self.wait(for: readiness, of: descriptor, timeoutMilliseconds: left) else {
            throw SystemError(call: "poll", code: ETIMEDOUT)
        }
    }
}
