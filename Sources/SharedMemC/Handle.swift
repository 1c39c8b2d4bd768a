internal import CLinux
internal import SharedMemory
internal import Synchronization

/// The object behind a `sharedmem_t *`: a segment, and C's open borrows of it.
///
/// A caller that attaches to the same segment again gets the same handle.
final class Handle: Sendable {
    let segment: Segment
    /// The number of open borrows without a pin; the pins themselves count the others, at no cost here.
    private let unpinnedBorrows = Atomic<Int>(0)
    /// The number of readers that C has open.
    let openReaders = Atomic<Int>(0)
    /// 0, or the ``ChangeEvent`` that C was given last, retained.
    private let eventWord = Atomic<UInt>(0)

    private init(_ segment: Segment) { self.segment = segment }

    deinit { unsafe object(eventWord.load(ordering: .acquiring))?.release() }

    /// The handle that C gets for a segment, with one use more.
    static func forC(_ segment: Segment) -> OpaquePointer {
        let new = unsafe Unmanaged.passRetained(Handle(segment)).toOpaque()
        let key = clinux_key(first: UInt64(segment.attachmentNumber), second: 0, kind: 2, is_kept_by_children: true)
        guard let known = unsafe clinux_share(new, key), unsafe known != new else { return OpaquePointer(new) }
        unsafe Unmanaged<Handle>.fromOpaque(new).release()
        return OpaquePointer(known)
    }

    /// Ends one use of a handle, unless it is the last one and text is still borrowed.
    ///
    /// - Returns: false if nothing was done.
    static func endUse(_ pointer: OpaquePointer) -> Bool {
        let object = unsafe UnsafeMutableRawPointer(pointer)
        if unsafe clinux_user_count(object) <= 1, unsafe with(pointer, { $0.isBorrowed }) { return false }
        if unsafe clinux_stop_sharing(object) { unsafe Unmanaged<Handle>.fromOpaque(object).release() }
        return true
    }

    /// Uses a handle of C's without counting references.
    @inline(__always)
    static func with<Result>(_ pointer: OpaquePointer, _ body: (Handle) -> Result) -> Result {
        unsafe Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer))._withUnsafeGuaranteedRef(body)
    }

    private var isBorrowed: Bool {
        // Acquiring: pairs with the release in another thread; its reading is over then.
        segment.holdsPins || unpinnedBorrows.load(ordering: .acquiring) > 0
            || openReaders.load(ordering: .acquiring) > 0
    }

    // MARK: Borrowing

    /// Counts a borrow without a pin, which has begun.
    @inline(never)
    func countUnpinned() { unpinnedBorrows.add(1, ordering: .relaxed) }

    /// Ends a borrow; false if it is none of this process's.
    @inline(__always)
    func end(_ token: BorrowToken) -> Bool {
        if token.isPin { return segment.end(token) }
        endUnpinned(token)
        return true
    }

    @inline(never)
    private func endUnpinned(_ token: BorrowToken) {
        token.end()
        unpinnedBorrows.subtract(1, ordering: .releasing)
    }

    // MARK: The change event

    /// The descriptor that becomes readable with each change; the first call begins that.
    func eventDescriptor() throws(SegmentError) -> CInt {
        while true {
            let word = eventWord.load(ordering: .acquiring)
            let known = unsafe object(word)?.takeUnretainedValue()
            // A forked child gets an event of its own: its parent's would wake both, and count for one.
            if let known, known.attachmentNumber == segment.attachmentNumber { return known.descriptor }
            let new = unsafe Unmanaged.passRetained(try ChangeEvent(segment))
            // Releasing: another thread that finds the event finds all of it.
            let (isFirst, _) = eventWord.compareExchange(
                expected: word, desired: unsafe UInt(bitPattern: new.toOpaque()), ordering: .acquiringAndReleasing)
            if isFirst { return unsafe new.takeUnretainedValue().begin() }
            unsafe new.release()
        }
    }

    private func object(_ word: UInt) -> Unmanaged<ChangeEvent>? {
        unsafe UnsafeRawPointer(bitPattern: word).map { unsafe Unmanaged.fromOpaque($0) }
    }
}
