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
            case UInt8(ascii: "%"):
                guard index + 2 < target.count, hexadecimal(target[index + 1]) != nil,
                    hexadecimal(target[index + 2]) != nil
                else { return nil }
            case UInt8(ascii: "?"): query = query ?? index + 1
            case 0x21...0x7e: break
            default: return nil
            }
        }
        return query ?? target.count
    }

    /// Decodes `%41` and the like in place and returns the new length.
    ///
    /// Decodes only the unreserved characters, which mean the same either way (RFC 3986, 2.3): `%2F` does not become a
    /// slash, nor `%00` the end of a string.
    package static func decode(_ target: inout MutableSpan<UInt8>) -> Int {
        var read = 0
        var written = 0
        while read < target.count {
            var byte = target[read]
            read += 1
            if byte == UInt8(ascii: "%"), read + 1 < target.count, let high = hexadecimal(target[read]),
                let low = hexadecimal(target[read + 1]), isUnreserved(high << 4 | low)
            {
                byte = high << 4 | low
                read += 2
            }
            target[written] = byte
            written += 1
        }
        return written
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
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
