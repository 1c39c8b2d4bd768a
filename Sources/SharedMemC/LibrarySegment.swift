internal import CSharedMem
internal import Glibc
internal import SharedMemory
internal import Synchronization

/// The library's own segment: attached when the library is loaded if it exists, and created at its first use if not;
/// detached when the library is unloaded.
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
        let before = errno
        do throws(SegmentError) {
            let segment = try attached(AttachmentOptions())
            do throws(SegmentError) {
                try body(segment)
            } catch .descriptorLost {
                // The program has closed all descriptors, as daemons do when they start.
                try body(try attached(AttachmentOptions(), inPlaceOf: segment))
            }
            // Unless the body has left an error of its own.
            if unsafe sharedmem_last_error().pointee == 0 { errno = before }
        } catch {
            fail(error)
        }
    }

    /// Returns the segment, and attaches to it first if need be.
    ///
    /// - Parameter lost: a segment that cannot be used any more; it is left to the threads that still read from it.
    static func attached(
        _ options: AttachmentOptions, inPlaceOf lost: Segment? = nil
    ) throws(SegmentError) -> Segment {
        let known = word.load(ordering: .acquiring)
        if let segment = unsafe object(known)?.takeUnretainedValue(), segment !== lost { return segment }
        // Without a lock, for which a child that is forked meanwhile would wait for ever. Several threads may attach at
        // once, and the first one's attachment stays.
        let new = unsafe Unmanaged.passRetained(try Segment.attach(nil, options))
        // Releasing: pairs with the acquiring load, so that a thread that finds the segment finds all of it.
        let (isFirst, _) = word.compareExchange(
            expected: known, desired: unsafe UInt(bitPattern: new.toOpaque()), ordering: .acquiringAndReleasing)
        if isFirst { return unsafe new.takeUnretainedValue() }
        unsafe new.release()
        return try attached(options, inPlaceOf: lost)
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
public func sharedmem_internal_load() {
    let before = errno
    Rehearsal.run()
    var options = unsafe sharedmem_options_t()
    unsafe options.size = MemoryLayout<sharedmem_options_t>.size
    _ = unsafe AttachmentOptions(&options, for: "rehearsal")
    _ = try? LibrarySegment.attached(AttachmentOptions(creates: false))
    errno = before
}

@c @implementation
public func sharedmem_internal_unload() { LibrarySegment.detach() }
