/// `Content-Type`: the service takes any media type, as long as its text is UTF-8.
enum ContentType {
    /// Whether a header value names no charset other than UTF-8.
    static func isUTF8(_ value: Span<UInt8>) -> Bool {
        // A media type has no quotes.
        guard let end = value.firstIndex(of: UInt8(ascii: ";")) else { return true }
        var isUTF8 = true
        value.forEachElement(from: end + 1, at: UInt8(ascii: ";")) {
            if let charset = $0.value(ofParameter: "charset"), !$0.extracting(charset).equalsIgnoringCase("utf-8") {
                isUTF8 = false
            }
        }
        return isUTF8
    }
}
