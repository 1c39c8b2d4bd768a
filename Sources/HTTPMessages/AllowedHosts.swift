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

    /// - Parameter authority: a name or address, with or without a port.
    package func contains(_ authority: Span<UInt8>) -> Bool {
        var end = authority.count
        while end > 0, Span.isDigit(authority[end - 1]) { end -= 1 }
        let hasPort = end > 0 && authority[end - 1] == UInt8(ascii: ":")
        let host = authority.extracting(first: hasPort ? end - 1 : authority.count)
        if host == "127.0.0.1" || host == "[::1]" { return true }
        // Digits and dots alone are always an address, never a name.
        if host.starts(with: "127."), host.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 || $0 == UInt8(ascii: ".") }) {
            return true
        }
        return names.contains { name in
            guard name.first == UInt8(ascii: ".") else { return host.equalsIgnoringCase(name.span) }
            return host.count > name.count && host.extracting(last: name.count).equalsIgnoringCase(name.span)
        }
    }
}
