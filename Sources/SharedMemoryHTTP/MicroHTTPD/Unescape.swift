/// Decodes `%41` and the like in a target, in place; returns its new length.
///
/// Only what means the same as itself (RFC 3986, unreserved): `%2F` is no slash, and `%00` no end.
func unescape(_ text: UnsafeMutablePointer<CChar>?) -> Int {
    guard let text = unsafe text else { return 0 }
    var read = 0
    var written = 0
    while unsafe text[read] != 0 {
        if unsafe text[read] == CChar(bitPattern: UInt8(ascii: "%")),
            let high = unsafe hexadecimal(text[read + 1]), let low = unsafe hexadecimal(text[read + 2]),
            isUnreserved(high << 4 | low)
        {
            unsafe text[written] = CChar(bitPattern: high << 4 | low)
            read += 3
        } else {
            unsafe text[written] = text[read]
            read += 1
        }
        written += 1
    }
    unsafe text[written] = 0
    return written
}

private func hexadecimal(_ character: CChar) -> UInt8? {
    let byte = UInt8(bitPattern: character)
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): return byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): return byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): return byte - UInt8(ascii: "A") + 10
    default: return nil
    }
}

private func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        true
    default: false
    }
}
