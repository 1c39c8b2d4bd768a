/// How the entity tags of `If-Match` or `If-None-Match` compare with the present one.
struct EntityTagMatch {
    private(set) var isAny = false
    private(set) var isStrong = false
    /// As `isStrong`, or but for weakness.
    private(set) var isWeak = false
    private(set) var isWellFormed = true
    private var tagCount = 0

    /// Reads a field value: `*`, or a list such as `"a", W/"b"`.
    ///
    /// Once more for a repeated field.
    ///
    /// - Parameter present: the present entity tag without its quotes.
    mutating func read(_ value: Span<UInt8>, present: Span<UInt8>) {
        var position = 0
        while true {
            while position < value.count, Span.isBlank(value[position]) || value[position] == UInt8(ascii: ",") {
                position += 1
            }
            guard position < value.count else { break }
            guard let end = readElement(value, from: position, present) else {
                isWellFormed = false
                return
            }
            position = value.trimmed(end..<value.count).lowerBound
            if position < value.count, value[position] != UInt8(ascii: ",") { isWellFormed = false }
        }
        if tagCount == 0 || isAny && tagCount > 1 { isWellFormed = false }
    }

    /// Reads one tag and returns where it ends; nil when it is none.
    private mutating func readElement(_ value: Span<UInt8>, from start: Int, _ present: Span<UInt8>) -> Int? {
        tagCount += 1
        if value[start] == UInt8(ascii: "*") {
            isAny = true
            return start + 1
        }
        let isWeakTag = value.extracting(start..<value.count).starts(with: "W/")
        let quote = isWeakTag ? start + 2 : start
        guard quote < value.count, value[quote] == UInt8(ascii: "\""),
            let end = value.firstIndex(of: UInt8(ascii: "\""), from: quote + 1)
        else { return nil }
        if value.extracting(quote + 1..<end).equals(present) {
            isWeak = true
            if !isWeakTag { isStrong = true }
        }
        return end + 1
    }
}
