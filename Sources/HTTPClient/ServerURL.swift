/// The URL of a server or of a resource there: `http://HOST[:PORT][/PATH]`, `https://…`, or `unix:PATH` for a socket.
package struct ServerURL: Hashable, Sendable, LosslessStringConvertible {
    package enum Place: Hashable, Sendable {
        case tcp(host: String, port: UInt16)
        case unix(path: String)
    }

    package let place: Place
    package let isEncrypted: Bool
    /// The host, and the port if it is not the scheme's own, as in `Host`.
    package let authority: String
    /// Empty if the URL has none; it is absolute otherwise, and includes the query.
    package var path: String

    /// The host's name or address, without brackets: what a certificate must be for.
    package var host: String {
        switch place {
        case .tcp(let host, _): host
        case .unix: "localhost"
        }
    }

    /// - Returns: nil if the text is not of one of the forms, or contains anything but visible ASCII characters.
    package init?(_ description: String) {
        if description.hasPrefix("unix:") {
            let socket = String(description.dropFirst(5))
            guard !socket.isEmpty else { return nil }
            (place, isEncrypted, authority, path) = (.unix(path: socket), false, "localhost", "")
            return
        }
        isEncrypted = description.hasPrefix("https://")
        guard isEncrypted || description.hasPrefix("http://"),
            description.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { return nil }
        let rest = description.dropFirst(isEncrypted ? 8 : 7).prefix { $0 != "#" }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        authority = String(rest[..<slash])
        path = String(rest[slash...])
        guard let (host, port) = Self.hostAndPort(authority, isEncrypted ? 443 : 80) else { return nil }
        place = .tcp(host: host, port: port)
    }

    private static func hostAndPort(_ authority: String, _ ownPort: UInt16) -> (String, UInt16)? {
        guard !authority.contains("@"), !authority.contains("?") else { return nil }
        let isBracketed = authority.hasPrefix("[")
        let hostEnd = isBracketed ? authority.firstIndex(of: "]") : authority.firstIndex(of: ":") ?? authority.endIndex
        guard let hostEnd else { return nil }
        let host = isBracketed ? authority[..<hostEnd].dropFirst() : authority[..<hostEnd]
        var rest = authority[hostEnd...]
        if isBracketed { rest = rest.dropFirst() }
        guard !host.isEmpty else { return nil }
        if rest.isEmpty { return (String(host), ownPort) }
        guard rest.first == ":", let port = UInt16(rest.dropFirst()), port > 0 else { return nil }
        return (String(host), port)
    }

    package var description: String {
        switch place {
        case .unix(let socket): "unix:\(socket)"
        case .tcp: (isEncrypted ? "https://" : "http://") + authority + path
        }
    }
}
