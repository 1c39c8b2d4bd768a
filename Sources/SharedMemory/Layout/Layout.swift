/// What is at the same place in every segment's file: layout version 2, little-endian, in lines of 64 bytes.
///
/// `docs/format.md` describes it for readers in other languages; a test compares both with a file.
enum Layout {
    static let version: UInt32 = 2
    /// The file's first eight bytes: "sharedm" and a zero.
    static let magic: UInt64 = 0x006d_6465_7261_6873

    static let lineByteCount = 64
    static let currentOffset = 128
    static let persistentOffset = 192
    static let wakesAlwaysOffset = 200
    static let replicationOffset = 204
    static let marksOffset = 256
    static let pinsOffset = 320

    /// Slots begin and end at multiples of this.
    static let pageByteCount = 4096

    /// The byte that every attachment holds a shared lock on: the first one of `lifetime`.
    static let lifetimeLock = 12
    /// Held by the server that replicates text into the segment, and by a process that releases the segment.
    static let followerLock = 8
    /// The byte that a process locks to unlink the file's name.
    static let nameLock = 0

    static func roundedToPage(_ byteCount: Int) -> Int {
        (byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
    }

    static func roundedToWord(_ byteCount: Int) -> Int { (byteCount + 7) & ~7 }
}

/// The sizes that are chosen when a segment is created, and all offsets that follow from them.
struct Geometry: Hashable, Sendable {
    let capacity: Int
    let rowCount: Int
    let pinCount: Int
    /// One slot for each pin, one for each row (which fills one at a time), and the current one: a free slot exists at
    /// every instant.
    let slotCount: Int

    let slotHeadersOffset: Int
    let rowsOffset: Int
    let slotsOffset: Int
    /// The distance from one slot to the next.
    let stride: Int
    let fileByteCount: Int

    static let possibleCapacities = 1...Segment.maximumCapacity
    static let possibleRowCounts = 2...16_384
    static let possiblePinCounts = 1...16_384

    init(
        capacity: Int, rowCount: Int = AttachmentOptions.defaultRowCount,
        pinCount: Int = AttachmentOptions.defaultPinCount
    ) {
        self.capacity = capacity
        self.rowCount = rowCount
        self.pinCount = pinCount
        slotCount = rowCount + pinCount + 1
        slotHeadersOffset = Layout.pinsOffset + pinCount * Layout.lineByteCount
        rowsOffset = slotHeadersOffset + slotCount * Layout.lineByteCount
        slotsOffset = Layout.roundedToPage(rowsOffset + rowCount * Layout.lineByteCount)
        stride = Layout.roundedToPage(capacity)
        fileByteCount = slotsOffset + slotCount * stride
    }

    /// The rows that a process keeps only if it is an operator's; any other takes one of them for a single set, when all
    /// others are taken.
    var reservedRowCount: Int { max(rowCount / 64, 1) }

    /// The byte that a row's owner holds a lock on: the row's first one.
    func rowLock(_ row: Int) -> Int { rowsOffset + row * Layout.lineByteCount }

    func slotOffset(_ slot: Int) -> Int {
        // The sizes were checked when the file was opened: this cannot overflow.
        slotsOffset &+ slot &* stride
    }

    /// Where a table's lines are, from its first one up to `count`.
    func lines(_ range: Range<Int>, of table: Table) -> Range<Int> {
        let offset = offset(of: table)
        return offset + range.lowerBound * Layout.lineByteCount..<offset + range.upperBound * Layout.lineByteCount
    }

    func count(of table: Table) -> Int {
        switch table {
        case .pins: pinCount
        case .slots: slotCount
        case .rows: rowCount
        }
    }

    private func offset(of table: Table) -> Int {
        switch table {
        case .pins: Layout.pinsOffset
        case .slots: slotHeadersOffset
        case .rows: rowsOffset
        }
    }
}

/// A table that grows: its mark says how many of its lines have ever been in use.
///
/// The other lines have no memory yet. Nobody reads them, because even that would take memory.
enum Table: Int, CaseIterable {
    case pins, slots, rows

    /// A mark is raised in steps of this.
    static let step = 8

    /// The mark that a segment is created with. (A segment that nobody reads in place needs no pin.)
    var initialMark: Int { self == .pins ? 0 : Self.step }
}
