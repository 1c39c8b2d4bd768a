/// `Prefer` (RFC 7240): how long a client is prepared to wait for a change.
enum Preference {
    /// The seconds of `wait=SECONDS` in a header value; nil if there is no such preference.
    static func waitSeconds(_ value: Span<UInt8>) -> Int? {
        var seconds: Int?
        value.forEachElement(at: UInt8(ascii: ",")) {
            let preference = $0.extracting(first: $0.endOfElement(from: 0, at: UInt8(ascii: ";")))
            if seconds == nil, let value = preference.value(ofParameter: "wait") {
                seconds = preference.extracting(value).decimal.map { Int(clamping: $0) }
            }
        }
        return seconds
    }
}
