/// A copy of the text, with its version and the time it was set.
public struct Snapshot: Hashable, Sendable {
    public let text: String
    public let version: Version
    /// When the text became the current one; for version 0, when the segment was created.
    public let publicationTime: Timestamp
}
