/// What this library knows of layout version 1, which it only takes text over from: version 0.1.0 of `docs/format.md`
/// describes it.
///
/// Its identity begins as that of version 2, and the lifetime byte and the name byte are the same.
enum FirstLayout {
    static let version: UInt32 = 1
    static let currentOffset = 64
    static let persistentOffset = 128
    static let slotCount = 191

    static func fileByteCount(capacity: Int) -> Int { slotOffset(slotCount, capacity: capacity) }

    static func slotHeaderOffset(_ slot: Int) -> Int { 4288 + slot * Layout.lineByteCount }

    static func slotOffset(_ slot: Int, capacity: Int) -> Int { 24_576 + slot * Layout.roundedToPage(capacity) }

    /// The beginning of a slot's header.
    struct SlotHeader: BitwiseCopyable {
        var claim: UInt64 = 0
        var stamp: UInt64 = 0
        var byteCount: UInt64 = 0
        var reserved: UInt64 = 0
        /// Nanoseconds since 1970.
        var publicationTime: UInt64 = 0
    }
}
