internal import Glibc

/// The hosts that a request may name.
///
/// A page of another site can let its own name resolve to a loopback address; to the browser it then has the same origin
/// as this server. But it cannot change the `Host` header that the browser sends.
package struct AllowedHosts: Sendable {
    private let names: [[UInt8]]

    /// - Parameter names: allowed in addition to the loopback names; one that begins with a dot allows all names below it.
    package init(_ names: [String]) {
        self.names = names.map { Array($0.utf8) } + [Array("localhost".utf8), Array(".localhost".utf8)]
    }

    /// Whether any request could name a host for which this name stands.
    package static func canMatch(_ name: String) -> Bool {
        let isAddress = name.hasPrefix("[") && name.hasSuffix("]")
        let host = isAddress ? name.dropFirst().dropLast() : name.drop { $0 == "." }
        return !host.isEmpty && name.utf8.count - host.utf8.count <= (isAddress ? 2 : 1)
            && host.utf8.allSatisfy { byte in
                Span.isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || "-._".utf8.contains(byte) || isAddress && byte == UInt8(ascii: ":")
            }
    }

    /// - Parameter authority: a name or address, with or without a port.
    package func contains(_ authority: Span<UInt8>) -> Bool {
        var end = authority.count
        while end > 0, Span.isDigit(authority[end - 1]) { end -= 1 }
        let hasPort = end > 0 && authority[end - 1] == UInt8(ascii: ":")
        var host = authority.extracting(first: hasPort ? end - 1 : authority.count)
        if host == "127.0.0.1" || host == "[::1]" || host.isLoopbackAddress { return true }
        // A name may end with the dot of the root.
        if host.count > 1, host[host.count - 1] == UInt8(ascii: ".") { host = host.extracting(first: host.count - 1) }
        return names.contains { name in
            guard name.first == UInt8(ascii: ".") else { return host.equalsIgnoringCase(name.span) }
            return host.count > name.count && host.extracting(last: name.count).equalsIgnoringCase(name.span)
        }
    }
}

extension Span<UInt8> {
    /// Whether this is an address that leads to the host itself, in any notation that a client may use.
    fileprivate var isLoopbackAddress: Bool {
        // Digits and dots alone are always an address, never a name.
        if starts(with: "127.") { return allSatisfy { Self.isDigit($0) || $0 == UInt8(ascii: ".") } }
        guard count > 2, self[0] == UInt8(ascii: "["), self[count - 1] == UInt8(ascii: "]"),
            let text = extracting(1..<count - 1).text
        else { return false }
        var address = in6_addr()
        guard unsafe inet_pton(AF_INET6, text, &address) == 1 else { return false }
        let bytes = unsafe Swift.withUnsafeBytes(of: address) { unsafe Array($0) }
        let loopback = [UInt8](repeating: 0, count: 15) + [1]
        // ::1, and ::ffff:127.0.0.0/104.
        return bytes == loopback || bytes.starts(with: [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 127])
    }
}
