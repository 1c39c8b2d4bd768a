import SharedMemory

/// A strong entity tag.
struct EntityTag: Equatable {
    /// Without its quotes.
    let opaque: String

    init(opaque: String) { self.opaque = opaque }

    init(_ version: Version) { opaque = version.description }

    var quoted: String { "\"\(opaque)\"" }
}
