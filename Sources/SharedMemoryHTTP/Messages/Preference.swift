/// What a client would rather have (`Prefer`, RFC 7240): here, how long it would wait for a change.
enum Preference {
    /// The seconds of `wait=SECONDS` in a field value; nil when it says nothing of it.
    static func waitSeconds(_ value: Span<UInt8>) -> Int? {
        var position = 0
        while position < value.count {
            let end = value.endOfElement(from: position, at: UInt8(ascii: ","))
            let preference = value.trimmed(position..<value.endOfElement(from: position, at: UInt8(ascii: ";")))
            if let seconds = waitSeconds(value, preference.clamped(to: position..<end)) { return seconds }
            position = end + 1
        }
        return nil
    }

    private static func waitSeconds(_ value: Span<UInt8>, _ preference: Range<Int>) -> Int? {
        guard let equals = value.firstIndex(of: UInt8(ascii: "="), from: preference.lowerBound),
            preference.contains(equals),
            value.extracting(value.trimmed(preference.lowerBound..<equals)).equalsIgnoringCase("wait")
        else { return nil }
        let number = value.unquoted(value.trimmed(equals + 1..<preference.upperBound))
        return value.extracting(number).decimal.map { Int(clamping: $0) }
    }
}
