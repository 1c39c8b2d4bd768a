/// The conditions of a request (RFC 9110, 13.1), read once and judged as often as the resource changes.
package struct Conditions: Sendable {
    /// None or one: a request without conditions, as most are, carries a single word.
    private var parsed: [Parsed] = []

    private struct Parsed {
        var ifMatch = EntityTagList()
        var ifNoneMatch = EntityTagList()
        var ifModifiedSince = DateCondition()
        var ifUnmodifiedSince = DateCondition()

        func permitsChange(_ entityTag: EntityTag, _ lastModified: Int64?) -> Bool {
            if ifMatch.isPresent { return ifMatch.matchesStrongly(entityTag) }
            guard let date = ifUnmodifiedSince.date, let lastModified else { return true }
            // The resource has no date before its second has passed, so no change has followed an equal one.
            return date >= lastModified
        }
    }

    /// A date in a condition; a malformed or repeated one is ignored (RFC 9110, 13.1.3 and 13.1.4).
    private struct DateCondition {
        private(set) var date: Int64?
        private var isPresent = false

        mutating func add(_ value: Span<UInt8>) {
            date = isPresent ? nil : HTTPDate.parse(value)
            isPresent = true
        }
    }

    /// What becomes of a request: it goes on, or is answered with 304 or 412.
    package enum Verdict { case proceed, notModified, failed }

    package init() {}

    package var isPresent: Bool { !parsed.isEmpty }

    /// The header that has a malformed entity tag, so that the client's intention can only be guessed; nil if none has.
    package var malformedHeader: HeaderName? {
        guard let parsed = parsed.first else { return nil }
        return !parsed.ifMatch.isWellFormed ? .ifMatch : !parsed.ifNoneMatch.isWellFormed ? .ifNoneMatch : nil
    }

    package var hasIfMatch: Bool { parsed.first?.ifMatch.isPresent == true }

    /// The version that a change must replace, if `If-Match` names one and there is no other condition.
    package var onlyMatch: EntityTag? {
        guard let parsed = parsed.first, !parsed.ifNoneMatch.isPresent else { return nil }
        return parsed.ifMatch.only
    }

    package var hasIfNoneMatch: Bool { parsed.first?.ifNoneMatch.isPresent == true }

    /// Reads one of the four headers, once for each field of a repeated one.
    mutating func add(_ name: HeaderName, _ value: Span<UInt8>) {
        if parsed.isEmpty { parsed = [Parsed()] }
        switch name {
        case .ifMatch: parsed[0].ifMatch.add(value)
        case .ifNoneMatch: parsed[0].ifNoneMatch.add(value)
        case .ifModifiedSince: parsed[0].ifModifiedSince.add(value)
        case .ifUnmodifiedSince: parsed[0].ifUnmodifiedSince.add(value)
        default: preconditionFailure("\(name.rawValue) is not a condition")
        }
    }

    /// Judges the conditions of a `GET` or `HEAD` in the order of RFC 9110, 13.2.2.
    ///
    /// - Parameter lastModified: seconds since 1970; nil if the resource has no such date.
    package func verdictForReading(_ entityTag: EntityTag, lastModified: Int64?) -> Verdict {
        guard let parsed = parsed.first else { return .proceed }
        guard parsed.permitsChange(entityTag, lastModified) else { return .failed }
        if parsed.ifNoneMatch.isPresent {
            return parsed.ifNoneMatch.matchesWeakly(entityTag) ? .notModified : .proceed
        }
        if let date = parsed.ifModifiedSince.date, let lastModified, lastModified <= date { return .notModified }
        return .proceed
    }

    /// Whether a `PUT` may replace the resource in its current state.
    package func permitReplacing(_ entityTag: EntityTag, lastModified: Int64?) -> Bool {
        guard let parsed = parsed.first else { return true }
        return parsed.permitsChange(entityTag, lastModified) && !parsed.ifNoneMatch.matchesWeakly(entityTag)
    }

    /// Whether `If-Match` lists the tag as a compressing proxy alters it: made weak, or with the coding behind it.
    package func hasAltered(_ entityTag: EntityTag) -> Bool { parsed.first?.ifMatch.hasAltered(entityTag) == true }

    /// Whether a reader that knows `entityTag` waits for another one: it names the tag in `If-None-Match`, and no other
    /// condition decides.
    package func waitForChange(of entityTag: EntityTag) -> Bool {
        guard let parsed = parsed.first, !parsed.ifNoneMatch.isAny, parsed.ifNoneMatch.names(entityTag)
        else { return false }
        // Without the date: it could not tell two changes within one second apart.
        return parsed.permitsChange(entityTag, nil)
    }
}
