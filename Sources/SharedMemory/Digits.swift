/// A short text of at most 64 ASCII characters, built without an allocation.
package struct Digits: Sendable {
    private var bytes = InlineArray<64, UInt8>(repeating: 0)
    private var count = 0

    package init() {}

    package mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    /// Sixteen lowercase hexadecimal digits.
    package mutating func append(hexadecimal number: UInt64) {
        append(eightHexadecimal: number >> 32)
        append(eightHexadecimal: number & 0xffff_ffff)
    }

    /// All eight digits are made at once, in the bytes of one word.
    private mutating func append(eightHexadecimal half: UInt64) {
        var digits = (half << 16 | half) & 0x0000_ffff_0000_ffff
        digits = (digits << 8 | digits) & 0x00ff_00ff_00ff_00ff
        digits = (digits << 4 | digits) & 0x0f0f_0f0f_0f0f_0f0f
        // 1 for each digit above 9.
        let letters = (digits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        let fromNineToA = UInt64(UInt8(ascii: "a") - 1 - UInt8(ascii: "9"))
        // The first digit in the lowest byte.
        var rest = (digits &+ 0x3030_3030_3030_3030 &+ letters &* fromNineToA).byteSwapped
        let start = count
        for index in 0..<8 {
            bytes[start &+ index] = UInt8(truncatingIfNeeded: rest)
            rest &>>= 8
        }
        count = start + 8
    }

    package mutating func append(decimal number: UInt64) {
        if number >= 10 { append(decimal: number / 10) }
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number % 10))
    }

    package func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.span.extracting(first: count))
    }

    package var text: String {
        guard let digits = try? UTF8Span(validating: bytes.span.extracting(first: count)) else { return "" }
        return String(copying: digits)
    }
}
