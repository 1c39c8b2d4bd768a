internal import SharedMemory
internal import Synchronization

/// What a `sharedmem_t *` leads to: an attachment as C holds it.
final class Handle: Sendable {
    let segment: Segment
    /// The open borrows that hold no pin; the pins count the others, so that those cost nothing here.
    private let unpinnedBorrows = Atomic<Int>(0)

    init(_ segment: Segment) { self.segment = segment }
}

// MARK: Passing to C and back

extension Handle {
    func retainedForC() -> OpaquePointer {
        unsafe OpaquePointer(Unmanaged.passRetained(self).toOpaque())
    }

    /// Uses what C holds, without reference counting.
    @inline(__always)
    static func with<Result>(_ pointer: OpaquePointer, _ body: (Handle) -> Result) -> Result {
        unsafe Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer))._withUnsafeGuaranteedRef(body)
    }

    static func release(_ pointer: OpaquePointer) {
        unsafe Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).release()
    }
}

// MARK: Borrows that outlive a call

extension Handle {
    var isBorrowed: Bool {
        // Acquiring: pairs with the release in another thread, whose reading is then over.
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
