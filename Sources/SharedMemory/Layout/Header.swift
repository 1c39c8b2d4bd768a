public import Synchronization

/// The part of a segment's file that comes before the slots.
///
/// It is bound to memory that other processes share, and Swift never initializes it: zero-filled pages are valid zeros.
struct Header: ~Copyable {
    let identity: Identity
    let current: CurrentLine
    let state: StateLine
    let pins: InlineArray<64, PinLine>
    let slots: InlineArray<191, SlotLine>
    let rows: InlineArray<126, RowLine>
}

/// The properties of a segment that never change: they are written before the file has a name.
struct Identity: BitwiseCopyable, Sendable {
    var magic: UInt64
    var layoutVersion: UInt32
    /// The lifetime at creation: 0 = while attached, 1 = persistent; at this offset in every layout version to come.
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
}

struct CurrentLine: ~Copyable {
    /// A ``PublicationWord``; readers only load it.
    let word: Atomic<UInt64>
    private let padding: InlineArray<7, UInt64>
}

struct StateLine: ~Copyable {
    /// 1 once any process has asked for persistence.
    let persistent: Atomic<UInt32>
    /// 1 once the segment was unlinked.
    let retired: Atomic<UInt32>
    /// 1 if readers that cannot announce that they wait may be waiting.
    let wakesAlways: Atomic<UInt32>
    private let reserved: UInt32
    /// One more than the highest number whose replacement any waiter has waited for.
    let awaited: Atomic<UInt64>
    /// All waiters for the replacement of a lower number than this have been woken.
    let woken: Atomic<UInt64>
    private let padding: InlineArray<4, UInt64>
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
    private let padding: InlineArray<3, UInt64>

    static var beingFilled: UInt64 { .max }
}

struct RowLine: ~Copyable {
    // For people only: no process decides anything from these.
    let processID: Atomic<UInt64>
    let attachmentTime: Atomic<UInt64>
    /// The first 32 bytes of the program's name, padded with zeros.
    let program: InlineArray<4, AtomicWord>
    private let padding: InlineArray<2, UInt64>
}

@frozen @usableFromInline struct AtomicWord: ~Copyable { @usableFromInline let word: Atomic<UInt64> }

/// A publication's number, and the slot that holds its text.
@frozen @usableFromInline struct PublicationWord: RawRepresentable, Equatable {
    @usableFromInline let rawValue: UInt64

    @usableFromInline init(rawValue: UInt64) { self.rawValue = rawValue }

    init(number: UInt64, slot: Int) { rawValue = number << 8 | UInt64(slot) }

    /// 56 bits: at one publication a microsecond, they last two thousand years.
    static let maximumNumber: UInt64 = 1 << 56 - 1

    var number: UInt64 { rawValue >> 8 }
    var slot: Int { Int(rawValue & 0xff) }
}
