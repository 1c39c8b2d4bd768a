import SharedMemory

/// A strong entity tag.
struct EntityTag: Equatable {
    /// As in a header field.
    let quoted: String

    init(opaque: String) { quoted = "\"\(opaque)\"" }

    init(_ version: Version) {
        var digits = Digits()
        digits.append(UInt8(ascii: "\""))
        version.write(to: &digits)
        digits.append(UInt8(ascii: "\""))
        quoted = digits.text
    }

    /// Without its quotes.
    var opaque: Substring { quoted.dropFirst().dropLast() }

    func withOpaque<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        let bytes = quoted.utf8Span.span
        return body(bytes.extracting(1..<bytes.count - 1))
    }
}
