public import Synchronization

/// The properties of a segment that never change: they are written before the file has a name.
struct Identity: BitwiseCopyable, Sendable {
    var magic: UInt64
    var layoutVersion: UInt32
    /// The lifetime at creation: 0 = while attached, 1 = persistent; at this offset in every layout version.
    var lifetime: UInt32
    /// The most bytes that the text can have.
    var capacity: UInt64
    var instance: UInt64
    var bootIDHigh: UInt64
    var bootIDLow: UInt64
    /// Nanoseconds since 1970.
    var creationTime: UInt64
    /// Features that a process must know to take part; none is defined yet.
    var features: UInt64
    var rowCount: UInt32
    var pinCount: UInt32
    /// The inode number of the segment's file; a copy of the file has another one.
    var inode: UInt64

    static var zero: Identity {
        Identity(
            magic: 0, layoutVersion: 0, lifetime: 0, capacity: 0, instance: 0, bootIDHigh: 0, bootIDLow: 0,
            creationTime: 0, features: 0, rowCount: 0, pinCount: 0, inode: 0)
    }
}

// The lines of the file. They are bound to memory that other processes share, and Swift never initializes them:
// zero-filled pages are valid zeros.

struct CurrentLine: ~Copyable {
    /// A ``PublicationWord``; readers only load it.
    let word: Atomic<UInt64>
    /// About the longest text of late, in bytes: half of it is forgotten with each publication.
    let recentByteCount: Atomic<UInt64>
    private let padding: InlineArray<6, UInt64>
}

struct StateLine: ~Copyable {
    /// 1 once any process has asked for persistence.
    let persistent: Atomic<UInt32>
    /// 1 once the segment was unlinked.
    let retired: Atomic<UInt32>
    /// 1 if readers that cannot announce that they wait may be waiting.
    let wakesAlways: Atomic<UInt32>
    /// A ``ReplicationMark`` once a server has replicated text from elsewhere into the segment, until it is released; else 0.
    let replication: Atomic<UInt32>
    /// One more than the highest number whose replacement any waiter has waited for.
    let awaited: Atomic<UInt64>
    /// All waiters for the replacement of a lower number than this have been woken.
    let woken: Atomic<UInt64>
    private let padding: InlineArray<4, UInt64>
}

struct MarksLine: ~Copyable {
    /// By ``Table``: how many of its lines have ever been in use.
    let words: InlineArray<3, AtomicWord>
    private let padding: InlineArray<5, UInt64>
}

struct PinLine: ~Copyable {
    /// 0 = free, else owner row + 1 (high half) and slot + 1 (low half).
    let word: Atomic<UInt64>
    private let padding: InlineArray<7, UInt64>
}

struct SlotLine: ~Copyable {
    /// 0 = unclaimed, else owner row + 1.
    let claim: Atomic<UInt64>
    /// The number that its text has, had or may get; `UInt64.max` while the slot is being filled.
    let stamp: Atomic<UInt64>
    let byteCount: Atomic<UInt64>
    /// The number of the slot's bytes that have memory behind them.
    let reserved: Atomic<UInt64>
    /// Nanoseconds since 1970.
    let publicationTime: Atomic<UInt64>
    // For people only: which process set the text.
    let setter: ProcessWords<2>

    static var beingFilled: UInt64 { .max }
}

struct RowLine: ~Copyable {
    // For people only, except that a row without a process is tried first.
    let owner: ProcessWords<4>
    /// Nanoseconds since 1970.
    let attachmentTime: Atomic<UInt64>
    private let padding: InlineArray<2, UInt64>
}

/// Describes a process to people; no process decides anything from it.
struct ProcessWords<let programWordCount: Int>: ~Copyable {
    /// The process id (low half) and the user id (high half); 0 = none.
    let process: Atomic<UInt64>
    /// The program's name, cut and padded with zeros.
    let program: InlineArray<programWordCount, AtomicWord>

    @inline(__always)
    func store(_ description: ProcessDescription) {
        process.store(description.process, ordering: .relaxed)
        for index in program.indices { program[index].word.store(description.program[index], ordering: .relaxed) }
    }

    func load() -> ProcessDescription {
        var description = ProcessDescription.none
        description.process = process.load(ordering: .relaxed)
        for index in program.indices { description.program[index] = program[index].word.load(ordering: .relaxed) }
        return description
    }
}

@frozen @usableFromInline struct AtomicWord: ~Copyable { @usableFromInline let word: Atomic<UInt64> }

/// A publication's number, and the slot that holds its text.
@frozen @usableFromInline struct PublicationWord: RawRepresentable, Equatable {
    @usableFromInline let rawValue: UInt64

    @usableFromInline init(rawValue: UInt64) { self.rawValue = rawValue }

    init(number: UInt64, slot: Int) { rawValue = UInt64(slot) << 48 | number }

    /// 48 bits: at one publication a microsecond, they last nine years.
    static let maximumNumber: UInt64 = 1 << 48 - 1

    var number: UInt64 { rawValue & Self.maximumNumber }
    var slot: Int { Int(rawValue >> 48) }
}
