/// The target of a request, as the client sent it.
package enum RequestTarget {
    /// Measures a target up to its query, the question mark included.
    ///
    /// - Returns: nil if the target is malformed: it may have only visible ASCII, and a `%` only before two hexadecimal
    ///   digits.
    package static func byteCountBeforeQuery(_ target: Span<UInt8>) -> Int? {
        // Nearly all targets have only these characters.
        if target.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "%") && $0 != UInt8(ascii: "?") }) {
            return target.count
        }
        var query: Int?
        for index in target.indices {
            switch target[index] {
            case UInt8(ascii: "%"): if decoded(target, at: index) == nil { return nil }
            case UInt8(ascii: "?"): query = query ?? index + 1
            case 0x21...0x7e: break
            default: return nil
            }
        }
        return query ?? target.count
    }

    /// Where the value of the first `version=` in a query begins.
    ///
    /// - Parameter start: where the query begins, behind its question mark.
    /// - Returns: nil if there is none.
    package static func versionOffset(_ target: Span<UInt8>, queryFrom start: Int) -> Int? {
        var argument = start
        while argument < target.count {
            if target.extracting(argument..<target.count).starts(with: "version=") { return argument + 8 }
            guard let separator = target.firstIndex(of: UInt8(ascii: "&"), from: argument) else { return nil }
            argument = separator + 1
        }
        return nil
    }

    /// Decodes `%41` and the like in place and returns the new length.
    ///
    /// Decodes only the unreserved characters, which mean the same either way (RFC 3986, 2.3): `%2F` does not become a
    /// slash, nor `%00` the end of a string.
    package static func decode(_ target: inout MutableSpan<UInt8>) -> Int {
        var (read, written) = (0, 0)
        while read < target.count {
            if let byte = decoded(target.span, at: read), isUnreserved(byte) {
                target[written] = byte
                read += 3
            } else {
                target[written] = target[read]
                read += 1
            }
            written += 1
        }
        return written
    }

    /// The byte that `%` and two digits stand for; nil if these are not at `index`.
    private static func decoded(_ target: Span<UInt8>, at index: Int) -> UInt8? {
        guard index + 2 < target.count, target[index] == UInt8(ascii: "%"),
            let high = hexadecimal(target[index + 1]), let low = hexadecimal(target[index + 2])
        else { return nil }
        return high << 4 | low
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        Span.isLetter(byte) || Span.isDigit(byte) || "-._~".utf8.contains(byte)
    }
}
