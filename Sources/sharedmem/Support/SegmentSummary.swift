import SharedMemory

/// What every list of segments says of each, over HTTP too.
struct SegmentSummary: Encodable {
    let name: String
    let version: String
    let bytes: Int
    let capacity: Int
    /// Nil if the text was never set.
    let changed: String?
    let setBy: SegmentReport.Setter?

    private enum CodingKeys: CodingKey { case name, version, bytes, capacity, changed, setBy }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(version, forKey: .version)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(capacity, forKey: .capacity)
        // Null, as over HTTP, and not left out.
        try container.encode(changed, forKey: .changed)
        try container.encode(setBy, forKey: .setBy)
    }
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
    /// Nil if the text was never set.
    let changed: String?
    let text: String

    init(_ snapshot: Snapshot, of name: String) {
        (self.name, version, text) = (name, "\(snapshot.version)", snapshot.text)
        bytes = snapshot.text.utf8.count
        changed = snapshot.version.number == 0 ? nil : snapshot.publicationTime.rfc3339
    }

    private enum CodingKeys: CodingKey { case name, version, bytes, changed, text }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(version, forKey: .version)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(changed, forKey: .changed)
        try container.encode(text, forKey: .text)
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
