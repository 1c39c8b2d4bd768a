/// What a request asks for, read from the bytes of its head, if libmicrohttpd will not read them.
package struct ReceivedHead: Sendable {
    package let method: Method?
    package private(set) var acceptance = Acceptance()

    /// Nil if the end of the head is not among the bytes.
    package init?(_ bytes: Span<UInt8>) {
        guard let end = bytes.firstIndex(of: UInt8(ascii: " ")) else { return nil }
        method = Method(bytes.extracting(0..<end))
        var start = end
        while let lineEnd = bytes.firstIndex(of: UInt8(ascii: "\n"), from: start) {
            let hasReturn = bytes[lineEnd - 1] == UInt8(ascii: "\r")
            let line = bytes.extracting(start..<(hasReturn ? lineEnd - 1 : lineEnd))
            if line.isEmpty { return }
            start = lineEnd + 1
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
                HeaderName(received: line.extracting(0..<colon)) == .accept
            else { continue }
            acceptance.add(line.extracting(colon + 1..<line.count))
        }
        return nil
    }
}
