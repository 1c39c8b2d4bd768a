/// An address that a server listens on.
public enum ListenAddress: Hashable, Sendable, LosslessStringConvertible {
    /// An IPv4 or IPv6 address or a name, without brackets. Port 0 lets the system choose one.
    case tcp(host: String, port: UInt16)
    /// A host and a port, as for `tcp`, for connections with TLS.
    case https(host: String, port: UInt16)
    /// The path of a socket in the file system.
    case unix(path: String)

    /// `HOST:PORT`, `[::1]:PORT`, `https://HOST:PORT` or `unix:PATH`.
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .https(let host, let port): "https://\(ListenAddress.tcp(host: host, port: port))"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Reads an address as ``description`` writes it, or `:PORT` for all IPv4 addresses of the host, or either with
    /// `http://` in front.
    public init?(_ description: String) {
        if description.hasPrefix("unix:") {
            let path = description.dropFirst(5)
            guard !path.isEmpty else { return nil }
            self = .unix(path: String(path))
            return
        }
        if description.hasPrefix("https://") {
            guard case .tcp(let host, let port)? = Self(hostAndPort: description.dropFirst(8)) else { return nil }
            self = .https(host: host, port: port)
            return
        }
        self.init(hostAndPort: description.hasPrefix("http://") ? description.dropFirst(7) : description[...])
    }

    private init?(hostAndPort description: Substring) {
        guard let colon = description.lastIndex(of: ":"),
            let port = UInt16(description[description.index(after: colon)...])
        else { return nil }
        var host = description[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard isBracketed ? !host.isEmpty : !host.contains(":"), !host.contains("/") else { return nil }
        self = .tcp(host: host.isEmpty ? "0.0.0.0" : String(host), port: port)
    }
    var isEncrypted: Bool { if case .https = self { true } else { false } }
}
