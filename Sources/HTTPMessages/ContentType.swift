/// `Content-Type`: the service takes any media type, as long as its text is UTF-8.
enum ContentType {
    /// Whether a header value names no charset other than UTF-8.
    static func isUTF8(_ value: Span<UInt8>) -> Bool {
        var isUTF8 = true
        let parameters = value.endOfElement(from: 0, at: UInt8(ascii: ";")) + 1
        value.forEachElement(from: parameters, at: UInt8(ascii: ";")) {
            if let charset = $0.value(ofParameter: "charset"), !$0.extracting(charset).equalsIgnoringCase("utf-8") {
                isUTF8 = false
            }
        }
        return isUTF8
    }
}
