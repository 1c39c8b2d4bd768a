/// What the service makes of `Content-Type`: any media type will do, as long as it is UTF-8.
enum ContentType {
    /// Whether a field value names no charset other than UTF-8.
    static func isUTF8(_ value: Span<UInt8>) -> Bool {
        var position = value.endOfElement(from: 0, at: UInt8(ascii: ";")) + 1
        while position < value.count {
            let end = value.endOfElement(from: position, at: UInt8(ascii: ";"))
            if let equals = value.firstIndex(of: UInt8(ascii: "="), from: position), equals < end {
                let name = value.trimmed(position..<equals)
                if value.extracting(name).equalsIgnoringCase("charset") {
                    let charset = value.unquoted(value.trimmed(equals + 1..<end))
                    if !value.extracting(charset).equalsIgnoringCase("utf-8") { return false }
                }
            }
            position = end + 1
        }
        return true
    }
}
