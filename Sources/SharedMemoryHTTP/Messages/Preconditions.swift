/// A request's conditions, asked of the present version in the order of RFC 9110, 13.2.2.
struct Preconditions {
    private let entityTag: EntityTag
    /// Seconds since 1970; nil where there is no such date.
    private let lastModified: Int64?
    private var ifMatch: EntityTagMatch?
    private var ifNoneMatch: EntityTagMatch?
    private var ifModifiedSince = DateCondition()
    private var ifUnmodifiedSince = DateCondition()

    enum Verdict {
        case proceed
        /// 304
        case notModified
        /// 412
        case failed
    }

    init(_ request: Request, entityTag: EntityTag, lastModified: Int64?) {
        self.entityTag = entityTag
        self.lastModified = lastModified
        request.visitFields(&self)
    }

    /// False when an entity tag is not one: what was meant by it can only be guessed.
    static func areWellFormed(_ request: Request) -> Bool {
        let conditions = Preconditions(request, entityTag: EntityTag(opaque: ""), lastModified: nil)
        return conditions.ifMatch?.isWellFormed != false && conditions.ifNoneMatch?.isWellFormed != false
    }

    /// Whether a reader has the present version, by its entity tag, and waits for another.
    var isToWait: Bool {
        guard let ifNoneMatch, ifNoneMatch.isWeak, !ifNoneMatch.isAny else { return false }
        return verdict(isRead: true) == .notModified
    }

    /// - Parameter isRead: for GET and HEAD; otherwise a condition can only fail.
    func verdict(isRead: Bool) -> Verdict {
        if let ifMatch {
            if !ifMatch.isAny && !ifMatch.isStrong { return .failed }
        } else if let date = ifUnmodifiedSince.date, let lastModified, date <= lastModified {
            // Equal is not enough: there may have been another change later in that second.
            return .failed
        }
        if let ifNoneMatch {
            if ifNoneMatch.isAny || ifNoneMatch.isWeak { return isRead ? .notModified : .failed }
        } else if isRead, let date = ifModifiedSince.date, let lastModified, lastModified <= date {
            return .notModified
        }
        return .proceed
    }
}

extension Preconditions: FieldVisitor {
    static var callback: FieldCallback { { unsafe visitField(Self.self, $0, $2, $3, $4, $5) } }

    mutating func visit(name: Span<UInt8>, value received: Span<UInt8>) {
        let value = received.extracting(received.trimmed(0..<received.count))
        switch Field(received: name) {
        case .ifMatch: Self.read(value, into: &ifMatch, entityTag)
        case .ifNoneMatch: Self.read(value, into: &ifNoneMatch, entityTag)
        case .ifModifiedSince: ifModifiedSince.read(value)
        case .ifUnmodifiedSince: ifUnmodifiedSince.read(value)
        default: break
        }
    }

    private static func read(_ value: Span<UInt8>, into match: inout EntityTagMatch?, _ present: EntityTag) {
        var read = match ?? EntityTagMatch()
        present.withOpaque { read.read(value, present: $0) }
        match = read
    }
}

/// A date in a condition; one that is repeated or no date is to be ignored (RFC 9110, 13.1.3 and 13.1.4).
private struct DateCondition {
    private(set) var date: Int64?
    private var isPresent = false

    mutating func read(_ value: Span<UInt8>) {
        date = isPresent ? nil : HTTPDate.parse(value)
        isPresent = true
    }
}
