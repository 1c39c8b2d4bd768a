internal import CSharedMem
internal import Glibc
internal import SharedMemory
internal import Synchronization

/// The segment that comes with the library: attached when that is loaded, detached when it is unloaded.
enum LibrarySegment {
    /// 0 = not attached, else a `Segment`, retained.
    private static let word = Atomic<UInt>(0)
    /// The calls under way; negative once the library is unloaded.
    private static let callCount = Atomic<Int>(0)

    /// Does what C asked for, and leaves the error for C if that fails.
    static func use(_ body: (Segment) throws(SegmentError) -> Void) {
        sharedmem_internal_note_use()
        // Acquiring and, below, releasing: between them the segment stays.
        guard callCount.add(1, ordering: .acquiring).newValue > 0 else {
            fail(ESHUTDOWN, "The library is unloaded, as the process is ending: call it no more.")
            return
        }
        defer { callCount.subtract(1, ordering: .releasing) }
        attempt { () throws(SegmentError) in try body(try attached()) }
    }

    /// Attaches if that was not possible when the library was loaded.
    static func attached() throws(SegmentError) -> Segment {
        if let segment = load() { return segment }
        // No lock and no "attaching": a child forked meanwhile would wait for ever. Of threads that come at
        // once each attaches, and one stays attached.
        let new = unsafe Unmanaged.passRetained(try Segment.attach())
        // Releasing: pairs with the acquiring load; who finds the segment finds it whole.
        let (isFirst, _) = word.compareExchange(
            expected: 0, desired: unsafe UInt(bitPattern: new.toOpaque()), ordering: .acquiringAndReleasing)
        if isFirst { return unsafe new.takeUnretainedValue() }
        unsafe new.release()
        return try attached()
    }

    /// Detaches, unless a thread is in a call even now: then the process is ending, and the core does it.
    static func detach() {
        let (isIdle, _) = callCount.compareExchange(expected: 0, desired: .min, ordering: .acquiringAndReleasing)
        if isIdle { unsafe object(word.exchange(0, ordering: .acquiringAndReleasing))?.release() }
    }

    private static func load() -> Segment? {
        unsafe object(word.load(ordering: .acquiring))?.takeUnretainedValue()
    }

    private static func object(_ word: UInt) -> Unmanaged<Segment>? {
        unsafe UnsafeRawPointer(bitPattern: word).map { unsafe Unmanaged.fromOpaque($0) }
    }
}

@c @implementation
public func sharedmem_internal_load() { _ = try? LibrarySegment.attached() }

@c @implementation
public func sharedmem_internal_unload() { LibrarySegment.detach() }
