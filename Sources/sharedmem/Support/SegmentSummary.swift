import SharedMemory

/// The fields of a segment in every list, over HTTP too.
struct SegmentSummary: Encodable {
    let name: String
    let version: String
    let bytes: Int
    let capacity: Int
    /// Nil if the text was never set.
    @OrNull var changed: String?
    @OrNull var setBy: SegmentReport.Setter?
}

extension SegmentSummary {
    init(_ info: SegmentInfo) {
        (name, version, bytes, capacity) = (info.name, "\(info.version)", info.byteCount, info.capacity)
        changed = info.setter == nil ? nil : info.publicationTime.rfc3339
        setBy = info.setter.map(SegmentReport.Setter.init)
    }
}

/// A version of the text with the text.
struct SnapshotReport: Encodable {
    let name: String
    let version: String
    let bytes: Int
    /// Nil if the text was never set, or if that is not known.
    @OrNull var changed: String?
    let text: String

    init(_ current: VersionedText, of name: String) {
        (self.name, version, text) = (name, "\(current.version)", current.text)
        bytes = current.text.utf8.count
        changed = current.changed
    }
}

/// A value that JSON has as null if there is none, as over HTTP, rather than not at all.
@propertyWrapper
struct OrNull<Value: Encodable>: Encodable {
    var wrappedValue: Value?

    init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}

/// A JSON object with the fields of two values.
struct Combined<First: Encodable, Second: Encodable>: Encodable {
    let first: First
    let second: Second

    init(_ first: First, _ second: Second) { (self.first, self.second) = (first, second) }

    func encode(to encoder: any Encoder) throws {
        try first.encode(to: encoder)
        try second.encode(to: encoder)
    }
}
