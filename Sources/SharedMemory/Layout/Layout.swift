/// The layout of a segment's file: version 1, little-endian, in lines of 64 bytes.
///
/// `docs/format.md` describes it for readers in other languages; a test compares both with a file.
enum Layout {
    static let version: UInt32 = 1
    /// The file's first eight bytes: "sharedm" and a zero.
    static let magic: UInt64 = 0x006d_6465_7261_6873

    static let pinCount = 64
    static let rowCount = 126
    /// One slot for each pin, one for each row (which fills one at a time), and the current one: a free slot exists at
    /// every instant.
    static let slotCount = pinCount + rowCount + 1

    /// The offset of the first slot, after the ``Header``.
    static let slotsOffset = 24_576
    /// Slots begin and end at multiples of this.
    static let pageByteCount = 4096

    static let currentOffset = 64
    static let persistentOffset = 128
    static let wakesAlwaysOffset = 136
    static let pinsOffset = 192
    static let rowsOffset = 16_512
    static let lineByteCount = 64

    /// The byte that every attached process holds a shared lock on: the first one of `lifetime`.
    static let lifetimeLock = 12
    /// The byte that a process locks to unlink the file's name.
    static let nameLock = 0
    /// The byte that a row's owner holds a lock on: the row's first one.
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
