/// The bytes of a message, as they were received.
extension Span<UInt8> {
    package static func == (bytes: Span<UInt8>, text: StaticString) -> Bool {
        unsafe bytes.equals(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount).span)
    }

    static func ~= (text: StaticString, bytes: Span<UInt8>) -> Bool { bytes == text }

    package func equals(_ other: Span<UInt8>) -> Bool { equals(other) { $0 == $1 } }

    /// Compares ASCII text.
    package func equalsIgnoringCase(_ other: Span<UInt8>) -> Bool {
        equals(other) { $0 == $1 || $0 ^ $1 == 0x20 && Self.isLetter($0) }
    }

    package func equalsIgnoringCase(_ text: StaticString) -> Bool {
        unsafe equalsIgnoringCase(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount).span)
    }

    /// - Parameter form: text in which `0` stands for any digit and `x` for any byte.
    func hasForm(_ form: String) -> Bool {
        equals(form.utf8Span.span) { $1 == UInt8(ascii: "x") || $1 == (Self.isDigit($0) ? UInt8(ascii: "0") : $0) }
    }

    @inline(__always)
    private func equals(_ other: Span<UInt8>, _ isSame: (UInt8, UInt8) -> Bool) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        while index < count, unsafe isSame(self[unchecked: index], other[unchecked: index]) { index &+= 1 }
        return index == count
    }

    @inline(__always)
    func allSatisfy(_ isAllowed: (UInt8) -> Bool) -> Bool {
        var index = 0
        while index < count, unsafe isAllowed(self[unchecked: index]) { index &+= 1 }
        return index == count
    }

    /// Whether this has a control character other than a tab.
    var hasControlCharacter: Bool {
        var index = 0
        unsafe withUnsafeBytes { bytes in
            // Eight at a time: a byte below 32, or 127, makes the highest bit of its place 1. So does a byte beside it that
            // borrows, and a tab; what follows looks closer.
            while index &+ 8 <= bytes.count {
                let word = unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                let low = (word &- 0x2020_2020_2020_2020) & ~word
                let delete = ((word ^ 0x7f7f_7f7f_7f7f_7f7f) &- 0x0101_0101_0101_0101) & ~(word ^ 0x7f7f_7f7f_7f7f_7f7f)
                if (low | delete) & 0x8080_8080_8080_8080 != 0 { break }
                index &+= 8
            }
        }
        return !extracting(index..<count).allSatisfy { ($0 >= 32 && $0 != 127) || $0 == UInt8(ascii: "\t") }
    }

    package func starts(with text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount && extracting(first: text.utf8CodeUnitCount) == text
    }

    package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        var index = start
        while index < count, unsafe self[unchecked: index] != byte { index &+= 1 }
        return index < count ? index : nil
    }

    /// `range` without the blanks at its ends.
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        var (lower, upper) = (range.lowerBound, range.upperBound)
        while lower < upper, unsafe Self.isBlank(self[unchecked: lower]) { lower &+= 1 }
        while lower < upper, unsafe Self.isBlank(self[unchecked: upper &- 1]) { upper &-= 1 }
        return lower..<upper
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- UInt8(ascii: "a") < 26 }

    static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// The next `separator` outside of quotes, or the end.
    func endOfElement(from start: Int, at separator: UInt8) -> Int {
        var position = start
        var isQuoted = false
        while position < count {
            switch self[position] {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\") where isQuoted: position += 1
            case separator where !isQuoted: return position
            default: break
            }
            position += 1
        }
        return count
    }

    /// Shows each element between separators, without the blanks around it.
    func forEachElement(from start: Int = 0, at separator: UInt8, _ body: (Span<UInt8>) -> Void) {
        var position = start
        while position < count {
            let end = endOfElement(from: position, at: separator)
            body(extracting(trimmed(position..<end)))
            position = end + 1
        }
    }

    /// Where the value of a parameter such as `charset="utf-8"` is, without its quotes; nil if the parameter has another
    /// name.
    func value(ofParameter name: StaticString) -> Range<Int>? {
        guard let equals = firstIndex(of: UInt8(ascii: "=")),
            extracting(trimmed(0..<equals)).equalsIgnoringCase(name)
        else { return nil }
        let range = trimmed(equals + 1..<count)
        let isQuoted =
            range.count >= 2 && self[range.lowerBound] == UInt8(ascii: "\"")
            && self[range.upperBound - 1] == UInt8(ascii: "\"")
        return isQuoted ? range.lowerBound + 1..<range.upperBound - 1 : range
    }

    /// Nil if the bytes are not UTF-8.
    package var text: String? { try? String(copying: UTF8Span(validating: self)) }

    /// Nil if the bytes are not a decimal number of at most 64 bits.
    var decimal: UInt64? {
        var value: UInt64 = 0
        for index in indices {
            guard Self.isDigit(self[index]) else { return nil }
            let (shifted, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, carries) = shifted.addingReportingOverflow(UInt64(self[index] - UInt8(ascii: "0")))
            if overflows || carries { return nil }
            value = sum
        }
        return isEmpty ? nil : value
    }
}
