internal import CSharedMem
internal import Glibc
internal import SharedMemory
internal import Synchronization

/// The library's own segment: attached when the library is loaded, detached when it is unloaded.
enum LibrarySegment {
    /// 0 if not attached, else a `Segment`, retained.
    private static let word = Atomic<UInt>(0)
    /// The number of calls in progress; negative once the library is unloaded.
    private static let callCount = Atomic<Int>(0)

    /// Runs `body` with the segment, and leaves its error for C.
    static func use(_ body: (Segment) throws(SegmentError) -> Void) {
        sharedmem_internal_note_use()
        // Acquiring here and releasing below: in between, the segment stays attached.
        guard callCount.add(1, ordering: .acquiring).newValue > 0 else {
            fail(ESHUTDOWN, "The process is exiting, and the library is already unloaded: do not call it any more.")
            return
        }
        defer { callCount.subtract(1, ordering: .releasing) }
        attempt { () throws(SegmentError) in try body(try attached()) }
    }

    /// Returns the segment, and attaches to it if that failed when the library was loaded.
    static func attached() throws(SegmentError) -> Segment {
        if let segment = unsafe object(word.load(ordering: .acquiring))?.takeUnretainedValue() { return segment }
        // Without a lock, for which a child that is forked meanwhile would wait for ever. Several threads may attach at
        // once, and the first one's attachment stays.
        let new = unsafe Unmanaged.passRetained(try Segment.attach())
        // Releasing: pairs with the acquiring load, so that a thread that finds the segment finds all of it.
        let (isFirst, _) = word.compareExchange(
            expected: 0, desired: unsafe UInt(bitPattern: new.toOpaque()), ordering: .acquiringAndReleasing)
        if isFirst { return unsafe new.takeUnretainedValue() }
        unsafe new.release()
        return try attached()
    }

    /// Detaches, unless a thread is in a call even now: then the process is exiting, and the core detaches.
    static func detach() {
        let (isIdle, _) = callCount.compareExchange(expected: 0, desired: .min, ordering: .acquiringAndReleasing)
        if isIdle { unsafe object(word.exchange(0, ordering: .acquiringAndReleasing))?.release() }
    }

    private static func object(_ word: UInt) -> Unmanaged<Segment>? {
        unsafe UnsafeRawPointer(bitPattern: word).map { unsafe Unmanaged.fromOpaque($0) }
    }
}

@c @implementation
public func sharedmem_internal_load() { _ = try? LibrarySegment.attached() }

@c @implementation
public func sharedmem_internal_unload() { LibrarySegment.detach() }
