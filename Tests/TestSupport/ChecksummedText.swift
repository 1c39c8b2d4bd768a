/// Text that carries its own checksum, so that a torn read is seen.
public enum ChecksummedText {
    /// Makes `byteCount` bytes of text.
    ///
    /// Text shorter than a checksum repeats a letter that depends on its length.
    public static func make(byteCount: Int, seed: UInt64) -> [UInt8] {
        guard byteCount > 16 else { return [UInt8](repeating: letter(byteCount), count: byteCount) }
        var state = seed | 1
        var bytes = [UInt8](repeating: 0, count: byteCount)
        for index in 16..<byteCount {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[index] = letter(Int(state >> 40))
        }
        bytes.replaceSubrange(0..<16, with: digits(sum(bytes.span.extracting(16...))))
        return bytes
    }

    public static func isWhole(_ text: RawSpan) -> Bool { digest(of: text) != nil }

    /// The text's checksum, which identifies it; nil if the text is torn.
    public static func digest(of text: RawSpan) -> UInt64? {
        text.withUnsafeBytes { buffer in
            let bytes = buffer.assumingMemoryBound(to: UInt8.self).span
            guard bytes.count > 16 else {
                for index in bytes.indices where bytes[index] != letter(bytes.count) { return nil }
                return UInt64(bytes.count)
            }
            let sum = sum(bytes.extracting(16...))
            let digits = digits(sum)
            for index in 0..<16 where bytes[index] != digits[index] { return nil }
            return sum
        }
    }

    /// A letter or, twice in 28, a line ending, because some interfaces have to encode those.
    private static func letter(_ number: Int) -> UInt8 {
        switch number % 28 {
        case 26: UInt8(ascii: "\n")
        case 27: UInt8(ascii: "\r")
        case let number: UInt8(ascii: "a") + UInt8(number)
        }
    }

    private static func sum(_ bytes: Span<UInt8>) -> UInt64 {
        var sum = UInt64(bytes.count)
        for index in bytes.indices { sum = (sum ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3 }
        return sum
    }

    private static func digits(_ number: UInt64) -> [UInt8] {
        stride(from: 60, through: 0, by: -4).map { letter(Int(number >> UInt64($0) & 15)) }
    }
}
