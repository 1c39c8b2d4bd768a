internal import Glibc
import Synchronization

/// The body of the request that a connection is receiving; what is kept of it is counted in a budget.
///
/// The connection's own thread alone uses it.
@safe package final class RequestBody: @unchecked Sendable {
    private let budget: ByteBudget
    /// The most bytes to keep; nil while no body is expected.
    private var limit: Int?
    private var refusal: Fault?
    private var start: UnsafeMutableRawPointer?
    private var byteCount = 0
    private var room = 0
    private var discardedByteCount = 0

    package enum Fault { case tooLong(limit: Int), noMemory }

    /// How much of a body is read without being kept: a client that is still sending would not see a response, only its
    /// connection break.
    package static let maximumDiscardedByteCount = 16 << 20

    /// The most memory that a connection keeps for its next body, uncounted.
    private static let keptByteCount = 512

    init(_ budget: ByteBudget) { self.budget = budget }

    deinit {
        clear()
        unsafe free(start)
    }

    /// Why the body was not kept; nil if it was.
    package var fault: Fault? { refusal }

    package func withSpan<Result>(_ read: (Span<UInt8>) -> Result) -> Result {
        read(unsafe UnsafeRawBufferPointer(start: start, count: byteCount).assumingMemoryBound(to: UInt8.self).span)
    }

    var isExpected: Bool { limit != nil }

    func expect(atMost limit: Int) { self.limit = limit }

    /// Takes a piece of the body.
    ///
    /// Whatever length was announced, no more is kept than has arrived, and never more than the limit.
    ///
    /// - Returns: false if enough of a useless body has been read.
    func receive(_ piece: RawSpan) -> Bool {
        if let limit, refusal == nil {
            if byteCount + piece.byteCount > limit {
                refuse(.tooLong(limit: limit))
            } else if append(piece) {
                return true
            } else {
                refuse(.noMemory)
            }
        }
        discardedByteCount += piece.byteCount
        return discardedByteCount <= Self.maximumDiscardedByteCount
    }

    /// Forgets the body.
    func clear() {
        guard limit != nil else { return }
        discardContent()
        (limit, refusal, discardedByteCount) = (nil, nil, 0)
    }

    private func append(_ piece: RawSpan) -> Bool {
        guard budget.take(piece.byteCount) else { return false }
        guard let end = unsafe makeRoom(for: piece.byteCount) else {
            budget.giveBack(piece.byteCount)
            return false
        }
        unsafe piece.withUnsafeBytes { piece in
            if let bytes = piece.baseAddress { unsafe end.copyMemory(from: bytes, byteCount: piece.count) }
        }
        byteCount += piece.byteCount
        return true
    }

    /// - Returns: the end of what has been kept, before free room; nil if there is no memory left.
    private func makeRoom(for addedByteCount: Int) -> UnsafeMutableRawPointer? {
        let needed = byteCount + addedByteCount
        if needed > room {
            let larger = max(needed, min(2 * room, limit ?? needed))
            guard let moved = unsafe realloc(start, larger) else { return nil }
            unsafe (start, room) = (moved, larger)
        }
        return unsafe start?.advanced(by: byteCount)
    }

    private func refuse(_ fault: Fault) {
        refusal = fault
        discardContent()
    }

    private func discardContent() {
        budget.giveBack(byteCount)
        byteCount = 0
        guard room > Self.keptByteCount else { return }
        unsafe free(start)
        unsafe (start, room) = (nil, 0)
    }
}
