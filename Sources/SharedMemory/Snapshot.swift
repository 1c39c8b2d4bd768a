/// A text with what identifies it.
public struct Snapshot: Hashable, Sendable {
    public let text: String
    public let version: Version
    /// When the text became the current one; for version 0, when the segment was created.
    public let publicationTime: Timestamp
}
