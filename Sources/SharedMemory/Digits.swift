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
        var rest = number
        for index in stride(from: count + 15, through: count, by: -1) {
            bytes[index] = Self.digit(rest & 15)
            rest >>= 4
        }
        count += 16
    }

    package mutating func append(decimal number: UInt64) {
        var unit: UInt64 = 1
        while number / unit >= 10 { unit *= 10 }
        while unit > 0 {
            append(Self.digit(number / unit % 10))
            unit /= 10
        }
    }

    private static func digit(_ value: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: value) &+ (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") &- 10)
    }

    package func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.span.extracting(first: count))
    }

    package var text: String {
        guard let digits = try? UTF8Span(validating: bytes.span.extracting(first: count)) else { return "" }
        return String(copying: digits)
    }
}
