import HTTPMessages
import MicroHTTPD
import SharedMemory

/// A part of an event stream, encoded once and counted in a budget until the last subscriber has it.
final class Event: Sendable {
    let chunk: EventChunk
    /// What a client knows once it has received this; nil unless this carries the text.
    let version: Version?
    /// What a subscriber of the list has been told once it has received this; nil for other events.
    let change: UInt64?
    private let budget: ByteBudget?
    private let budgetedByteCount: Int

    init(_ chunk: EventChunk, _ version: Version? = nil, _ budget: ByteBudget? = nil, budgetedByteCount: Int = 0) {
        self.chunk = chunk
        self.version = version
        change = nil
        self.budget = budget
        self.budgetedByteCount = budgetedByteCount
    }

    /// An event of the list of segments.
    init(_ chunk: EventChunk, change: UInt64, _ budget: ByteBudget? = nil, budgetedByteCount: Int = 0) {
        (self.chunk, self.change, version) = (chunk, change, nil)
        (self.budget, self.budgetedByteCount) = (budget, budgetedByteCount)
    }

    deinit { budget?.giveBack(budgetedByteCount) }

    /// The event that carries the current text.
    ///
    /// - Parameter budget: where to count it, up to half of the limit; nil for nowhere.
    /// - Returns: nil if `budget` does not have that much left.
    static func text(of segment: Segment, _ budget: ByteBudget?) throws(SegmentError) -> Event? {
        try segment.withPublication { text, version, _ in
            Self.text(text, version, budget)
        }
    }

    /// The event that carries a replica's text.
    static func text(_ shown: Replica.Shown, _ budget: ByteBudget?) -> Event? {
        text(shown.text.span, shown.version, budget)
    }

    private static func text(_ text: Span<UInt8>, _ version: Version, _ budget: ByteBudget?) -> Event? {
        let id = version.description
        let byteCount = EventChunk.contentByteCount(id: id, text: text)
        if let budget, !budget.take(byteCount, upToOneIn: 2) { return nil }
        return Event(.event(id: id, text: text), version, budget, budgetedByteCount: byteCount)
    }
}
