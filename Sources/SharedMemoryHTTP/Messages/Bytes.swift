/// Comparing bytes of a message with what they may be.
extension Span<UInt8> {
    static func == (bytes: Span<UInt8>, text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        for index in bytes.indices where unsafe bytes[index] != text.utf8Start[index] { return false }
        return true
    }

    func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }

    /// For ASCII.
    func equalsIgnoringCase(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where Self.lowercase(self[index]) != Self.lowercase(other[index]) { return false }
        return true
    }

    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        unsafe equalsIgnoringCase(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount).span)
    }

    func starts(with text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount && extracting(first: text.utf8CodeUnitCount) == text
    }

    func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        for index in start..<count where self[index] == byte { return index }
        return nil
    }

    /// `range` without the blanks at its ends.
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var (lower, upper) = (range.lowerBound, range.upperBound)
        while lower < upper, Self.isBlank(self[lower]) { lower += 1 }
        while lower < upper, Self.isBlank(self[upper - 1]) { upper -= 1 }
        return lower..<upper
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func lowercase(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
