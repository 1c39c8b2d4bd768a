/// What the service makes of `Content-Type`: any media type will do, as long as it is UTF-8.
enum ContentType {
    /// Whether a field value names no charset other than UTF-8.
    static func isUTF8(_ value: Span<UInt8>) -> Bool {
        var position = endOfParameter(value, from: 0) + 1
        while position < value.count {
            let end = endOfParameter(value, from: position)
            if let equals = value.firstIndex(of: UInt8(ascii: "="), from: position), equals < end {
                let name = value.trimmed(position..<equals)
                if value.extracting(name).equalsIgnoringCase("charset") {
                    let charset = unquoted(value, value.trimmed(equals + 1..<end))
                    if !value.extracting(charset).equalsIgnoringCase("utf-8") { return false }
                }
            }
            position = end + 1
        }
        return true
    }

    /// The next semicolon outside of quotes, or the end.
    private static func endOfParameter(_ value: Span<UInt8>, from start: Int) -> Int {
        var position = start
        var isQuoted = false
        while position < value.count {
            switch value[position] {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\") where isQuoted: position += 1
            case UInt8(ascii: ";") where !isQuoted: return position
            default: break
            }
            position += 1
        }
        return value.count
    }

    private static func unquoted(_ value: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        guard range.count >= 2, value[range.lowerBound] == UInt8(ascii: "\""),
            value[range.upperBound - 1] == UInt8(ascii: "\"")
        else { return range }
        return range.lowerBound + 1..<range.upperBound - 1
    }
}
