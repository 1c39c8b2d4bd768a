/// Texts that carry their own checksum, so that a torn one shows.
public enum ChecksummedText {
    /// A text of `byteCount` bytes; shorter than a checksum, it is one letter that the length chooses.
    public static func make(byteCount: Int, seed: UInt64) -> [UInt8] {
        guard byteCount > 16 else { return [UInt8](repeating: letter(byteCount), count: byteCount) }
        var state = seed | 1
        var bytes = [UInt8](repeating: 0, count: byteCount)
        for index in 16..<byteCount {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[index] = letter(Int(state >> 40))
        }
        bytes.replaceSubrange(0..<16, with: digits(sum(bytes[16...])))
        return bytes
    }

    public static func isWhole(_ text: RawSpan) -> Bool {
        let bytes = text.withUnsafeBytes { Array($0) }
        guard bytes.count > 16 else { return bytes.allSatisfy { $0 == letter(bytes.count) } }
        return Array(bytes[..<16]) == digits(sum(bytes[16...]))
    }

    private static func letter(_ number: Int) -> UInt8 { UInt8(ascii: "a") + UInt8(number % 26) }

    private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(UInt64(bytes.count)) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }

    private static func digits(_ number: UInt64) -> [UInt8] {
        stride(from: 60, through: 0, by: -4).map { letter(Int(number >> UInt64($0) & 15)) }
    }
}
