public import Synchronization

/// What comes before the slots, as every attached process sees it.
///
/// It is bound to memory that other processes share and never initialized by Swift: zero-filled
/// pages are valid zeros.
struct Header: ~Copyable {
    let identity: Identity
    let current: CurrentLine
    let state: StateLine
    let pins: InlineArray<64, PinLine>
    let slots: InlineArray<191, SlotLine>
    let rows: InlineArray<126, RowLine>
}

/// What the segment is; written before the file has a name, and never again.
struct Identity: BitwiseCopyable, Sendable {
    var magic: UInt64
    var layoutVersion: UInt32
    /// As created: 0 = while attached, 1 = persistent; at this offset in every layout version to come.
    var lifetime: UInt32
    /// Bytes.
    var capacity: UInt64
    var instance: UInt64
    var bootIDHigh: UInt64
    var bootIDLow: UInt64
    /// Nanoseconds since 1970.
    var creationTime: UInt64
    /// What a process must know to take part; none defined yet.
    var features: UInt64
}

struct CurrentLine: ~Copyable {
    /// A ``PublicationWord``; readers only load it.
    let word: Atomic<UInt64>
    private let padding: InlineArray<7, UInt64>
}

struct StateLine: ~Copyable {
    /// 1 once anyone asked for persistence.
    let persistent: Atomic<UInt32>
    /// 1 once the segment was unlinked.
    let retired: Atomic<UInt32>
    /// 1 when readers who can not say that they wait may be waiting.
    let wakesAlways: Atomic<UInt32>
    private let reserved: UInt32
    /// One more than the highest number that anyone waited to see replaced.
    let awaited: Atomic<UInt64>
    /// Who waited for a number below this one to be replaced has been woken.
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
    /// The number its text was or may become; `UInt64.max` while it is being filled.
    let stamp: Atomic<UInt64>
    let byteCount: Atomic<UInt64>
    /// How many of the slot's bytes have memory behind them.
    let reserved: Atomic<UInt64>
    /// Nanoseconds since 1970.
    let publicationTime: Atomic<UInt64>
    private let padding: InlineArray<3, UInt64>

    static var beingFilled: UInt64 { .max }
}

struct RowLine: ~Copyable {
    // For people only; nothing is ever decided from these.
    let processID: Atomic<UInt64>
    let attachmentTime: Atomic<UInt64>
    /// The program's name, its first 32 bytes, zeros behind.
    let program: InlineArray<4, AtomicWord>
    static var programWordCount: Int { 4 }
    private let padding: InlineArray<2, UInt64>
}

@frozen @usableFromInline struct AtomicWord: ~Copyable {
    @usableFromInline let word: Atomic<UInt64>
}

/// The current publication: its number and the slot its text is in.
@frozen @usableFromInline struct PublicationWord: RawRepresentable, Equatable {
    @usableFromInline let rawValue: UInt64

    @usableFromInline init(rawValue: UInt64) { self.rawValue = rawValue }

    init(number: UInt64, slot: Int) { rawValue = number << 8 | UInt64(slot) }

    /// 56 bits: a number a microsecond lasts two thousand years.
    static let maximumNumber: UInt64 = 1 << 56 - 1

    var number: UInt64 { rawValue >> 8 }
    var slot: Int { Int(rawValue & 0xff) }
}
