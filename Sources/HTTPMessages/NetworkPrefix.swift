internal import Glibc

/// A range of IP addresses, such as `10.0.0.0/8`, or a single one.
package struct NetworkPrefix: Hashable, Sendable {
    /// Sixteen bytes; those of an IPv4 address are mapped into IPv6.
    private let bytes: [UInt8]
    private let bitCount: Int

    /// Nil unless the text is an address, possibly with a slash and the number of bits that count.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let (bytes, isIPv4) = Self.bytes(of: String(parts[0])) else { return nil }
        let most = isIPv4 ? 32 : 128
        let given = parts.count == 2 ? Int(parts[1]) : most
        guard let given, (0...most).contains(given) else { return nil }
        (self.bytes, bitCount) = (bytes, given + 128 - most)
    }

    package func contains(_ address: String) -> Bool {
        guard let (other, _) = Self.bytes(of: address) else { return false }
        return (0..<bitCount).allSatisfy { bit in
            let mask: UInt8 = 0x80 >> (bit % 8)
            return bytes[bit / 8] & mask == other[bit / 8] & mask
        }
    }

    private static func bytes(of address: String) -> (bytes: [UInt8], isIPv4: Bool)? {
        var short = in_addr()
        if unsafe inet_pton(AF_INET, address, &short) == 1 {
            let bytes = unsafe withUnsafeBytes(of: short) { unsafe Array($0) }
            return ([UInt8](repeating: 0, count: 10) + [0xff, 0xff] + bytes, true)
        }
        var long = in6_addr()
        guard unsafe inet_pton(AF_INET6, address, &long) == 1 else { return nil }
        return (unsafe withUnsafeBytes(of: long) { unsafe Array($0) }, false)
    }
}

/// The addresses that proxies have noted in a request, from the client to the last proxy but one.
package struct ForwardedAddresses: Sendable {
    private var listed: [String] = []
    private var forwarded: [String] = []

    /// Reads a value of `X-Forwarded-For`: addresses, possibly with ports.
    mutating func addList(_ value: String) { listed += value.split(separator: ",").map { Self.address(String($0)) } }

    /// Reads a value of `Forwarded` (RFC 7239): the parameter `for` of each element.
    mutating func addForwarded(_ value: String) {
        forwarded += value.split(separator: ",").map { element in
            for parameter in element.split(separator: ";") {
                let parts = parameter.split(separator: "=", maxSplits: 1).map { $0.trimmingBlanks }
                if parts.count == 2, parts[0].lowercased() == "for" {
                    return Self.address(parts[1].filter { $0 != "\"" })
                }
            }
            return ""
        }
    }

    /// The address without its brackets and its port.
    private static func address(_ text: String) -> String {
        let text = text.trimmingBlanks
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            return String(text[text.index(after: text.startIndex)..<end])
        }
        let colons = text.count { $0 == ":" }
        return colons == 1 ? String(text.prefix { $0 != ":" }) : text
    }

    /// The client: the last address that no trusted proxy has; `peer` if that one is not a trusted proxy itself.
    ///
    /// If both fields are there and name different clients, a proxy may have written only one of them, and its client the
    /// other: then it is `peer`, which no client can forge.
    package func client(peer: String, isTrusted: (String) -> Bool) -> String {
        let clients = [listed, forwarded].filter { !$0.isEmpty }.map { noted in
            var client = peer
            for address in noted.reversed() {
                guard isTrusted(client), NetworkPrefix(address) != nil else { break }
                client = address
            }
            return client
        }
        return clients.first == clients.last ? clients.first ?? peer : peer
    }
}

extension StringProtocol {
    fileprivate var trimmingBlanks: String {
        let start = firstIndex { $0 != " " && $0 != "\t" } ?? endIndex
        let end = lastIndex { $0 != " " && $0 != "\t" }.map(index(after:)) ?? start
        return String(self[start..<end])
    }
}
