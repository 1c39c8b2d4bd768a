/// `Prefer` (RFC 7240): how long a client is prepared to wait for a change, and how current the text must be.
enum Preference {
    enum Wait: Equatable { case none, seconds(Int), malformed }

    /// What a header value says of `wait=SECONDS`.
    static func wait(_ value: Span<UInt8>) -> Wait {
        var wait = Wait.none
        value.forEachElement(at: UInt8(ascii: ",")) {
            let preference = $0.extracting(first: $0.endOfElement(from: 0, at: UInt8(ascii: ";")))
            guard case .none = wait, let value = preference.value(ofParameter: "wait") else { return }
            let seconds = preference.extracting(value).decimal
            wait = seconds.map { .seconds(Int(clamping: $0)) } ?? .malformed
        }
        return wait
    }

    /// Whether a header value contains `consistent`.
    static func isConsistent(_ value: Span<UInt8>) -> Bool {
        var isConsistent = false
        value.forEachElement(at: UInt8(ascii: ",")) {
            let end = $0.endOfElement(from: 0, at: UInt8(ascii: ";"))
            let preference = $0.extracting($0.trimmed(0..<end))
            if preference.equalsIgnoringCase("consistent") { isConsistent = true }
        }
        return isConsistent
    }
}
