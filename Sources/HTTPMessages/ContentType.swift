/// `Content-Type`: the service takes any media type, as long as its text is UTF-8.
enum ContentType {
    /// Whether a body consists of parts with an envelope, which would become part of the text.
    static func isMultipart(_ value: Span<UInt8>) -> Bool {
        value.count > 10 && value.extracting(first: 10).equalsIgnoringCase("multipart/")
    }

    /// Whether a header value names no charset other than UTF-8.
    static func isUTF8(_ value: Span<UInt8>) -> Bool {
        // A media type has no quotes.
        guard let end = value.firstIndex(of: UInt8(ascii: ";")) else { return true }
        var isUTF8 = true
        value.forEachElement(from: end + 1, at: UInt8(ascii: ";")) {
            guard let range = $0.value(ofParameter: "charset") else { return }
            let charset = $0.extracting(range)
            // Whatever is ASCII is UTF-8 too.
            if !charset.equalsIgnoringCase("utf-8"), !charset.equalsIgnoringCase("us-ascii") { isUTF8 = false }
        }
        return isUTF8
    }
}
