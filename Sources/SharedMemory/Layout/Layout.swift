/// The layout of a segment's file: version 1, little-endian, in lines of 64 bytes.
///
/// `docs/format.md` says the same for readers in other languages; a test holds both to it.
enum Layout {
    static let version: UInt32 = 1
    /// "sharedm" and a zero, as the file's first eight bytes.
    static let magic: UInt64 = 0x006d_6465_7261_6873

    static let pinCount = 64
    static let rowCount = 126
    /// One for each pin, one for each row (each fills at most one at a time), and the current one:
    /// so that there is a free slot at every instant.
    static let slotCount = pinCount + rowCount + 1

    /// Where the slots begin: what comes before is a ``Header``.
    static let slotsOffset = 24_576
    /// What slots begin and end on.
    static let pageByteCount = 4096

    static let currentOffset = 64
    static let persistentOffset = 128
    static let wakesAlwaysOffset = 136
    static let pinsOffset = 192
    static let rowsOffset = 16_512
    static let lineByteCount = 64

    /// The byte whose lock says that someone is attached: the first of the lifetime's.
    static let lifetimeLock = 12
    /// The byte whose lock says who may unlink the file's name.
    static let nameLock = 0
    /// The byte whose lock says that a row is taken: the row's first.
    static func rowLock(_ row: Int) -> Int { rowsOffset + row * lineByteCount }

    /// The distance from one slot to the next.
    static func stride(capacity: Int) -> Int { roundedToPage(capacity) }

    static func fileByteCount(capacity: Int) -> Int { slotsOffset + slotCount * stride(capacity: capacity) }

    static func slotOffset(_ slot: Int, capacity: Int) -> Int { slotsOffset + slot * stride(capacity: capacity) }

    static func roundedToPage(_ byteCount: Int) -> Int {
        (byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
    }

    static func roundedToWord(_ byteCount: Int) -> Int { (byteCount + 7) & ~7 }
}
