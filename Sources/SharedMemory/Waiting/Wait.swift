import LinuxSystem
import Synchronization

extension Membership {
    /// Sleeps until `current` is replaced or the time is up; it may also return early for no reason.
    func sleep(while current: PublicationWord, nanoseconds: Int) throws(SegmentError) -> Futex.Outcome {
        if isWritable { view.announce(waitingFor: current.number) }
        // The publisher exchanges `current` and then looks at what is awaited; the waiter announces what it awaits and
        // then looks at `current`. All four are sequentially consistent, so one of the two sees the other. If the waiter
        // sees the old word here, it falls asleep before the exchange, or the kernel's own comparison stops it.
        guard view.loadCurrent() == current else { return .changedBefore }
        PausePoint.waitAnnounced.reached()
        return try view.sleep(while: current, nanoseconds: nanoseconds)
    }

    /// The longest that this process's waiters sleep before they check again, in nanoseconds.
    var sleepLimit: Int {
        // Publishers wake such waiters, but one may be killed before it does, and a name may be removed silently.
        if isWritable || view.state.wakesAlways.load(ordering: .relaxed) != 0 { return 1_000_000_000 }
        // Publishers do not know of waiters that may not write to the segment.
        return 10_000_000
    }

    /// Wakes all waiters for the replacement of an earlier publication than `number`; without any, it takes two loads.
    @inline(__always)
    func wakeWaiters(published number: UInt64) {
        let woken = view.state.woken.load(ordering: .relaxed)
        let isAwaited = view.state.awaited.load(ordering: .sequentiallyConsistent) > woken
        if isAwaited || view.state.wakesAlways.load(ordering: .relaxed) != 0 {
            view.wakeAll(published: number, woken: woken)
        }
    }
}

extension SegmentView {
    /// Announces a waiter for the replacement of publication `number`.
    ///
    /// The announcement ends by itself with the next publication, even if the waiter is killed.
    fileprivate func announce(waitingFor number: UInt64) {
        var awaited = state.awaited.load(ordering: .sequentiallyConsistent)
        // Bounded: another waiter that is in the way has announced a later number, or breaks the protocol.
        for _ in 0..<1000 {
            if awaited > number { return }
            let (isAnnounced, latest) = state.awaited.compareExchange(
                expected: awaited, desired: number + 1, ordering: .sequentiallyConsistent)
            if isAnnounced { return }
            awaited = latest
        }
    }

    @inline(never)
    fileprivate func wakeAll(published number: UInt64, woken: UInt64) {
        wakeSleepers()
        // After waking, or a publisher that is stopped in between would keep the others from waking anyone. If another
        // publisher was faster, its number may be too low but never too high: then a later publisher wakes in vain.
        if woken < number {
            _ = state.woken.compareExchange(expected: woken, desired: number, ordering: .releasing)
        }
    }

    /// Whether this library has unlinked the segment.
    var isRetired: Bool { state.retired.load(ordering: .acquiring) != 0 }

    /// Tells all waiters to look at the name.
    func retire() {
        state.retired.store(1, ordering: .releasing)
        wakeSleepers()
    }
}
