internal import SharedMemory
internal import Synchronization

/// The object behind a `sharedmem_t *`: a segment, and C's open borrows of it.
final class Handle: Sendable {
    let segment: Segment
    /// The number of open borrows without a pin; the pins themselves count the others, at no cost here.
    private let unpinnedBorrows = Atomic<Int>(0)

    init(_ segment: Segment) { self.segment = segment }

    func retainedForC() -> OpaquePointer { unsafe OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    /// Uses a handle of C's without counting references.
    @inline(__always)
    static func with<Result>(_ pointer: OpaquePointer, _ body: (Handle) -> Result) -> Result {
        unsafe Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer))._withUnsafeGuaranteedRef(body)
    }

    static func release(_ pointer: OpaquePointer) {
        unsafe Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).release()
    }

    var isBorrowed: Bool {
        // Acquiring: pairs with the release in another thread; its reading is over then.
        segment.holdsPins || unpinnedBorrows.load(ordering: .acquiring) > 0
    }

    @inline(__always)
    func keep(_ borrow: consuming Borrow) -> BorrowToken {
        let token = borrow.leak()
        if !token.isPin { unpinnedBorrows.add(1, ordering: .relaxed) }
        return token
    }

    @inline(__always)
    func end(_ token: BorrowToken) {
        token.end()
        if !token.isPin { unpinnedBorrows.subtract(1, ordering: .releasing) }
    }
}
