import LinuxSystem
import Synchronization

/// How many nanoseconds who waits sleeps at a time, whatever happens.
enum SleepLimit {
    /// A publisher may be killed before it wakes anyone, and nobody may be there to say that the name is gone.
    static let announced = 1_000_000_000
    /// Where publishers do not always wake, who reads only can not have them do so.
    static let unannounced = 10_000_000
}

extension Membership {
    /// Sleeps until `current` is replaced or the time is up; it may also end for no reason.
    func sleep(while current: PublicationWord, nanoseconds: Int) throws(SegmentError) -> Futex.Outcome {
        if mark != 0 { view.announce(waitingFor: current.number) }
        // The publisher exchanges `current` and then looks at what is awaited; we say what we await and then
        // look at `current`. All four are sequentially consistent, so one of the two sees the other. Who sees the
        // old one here is asleep, or on its way there, before the exchange: the kernel compares once more.
        guard view.loadCurrent() == current else { return .changedBefore }
        PausePoint.waitAnnounced.reached()
        return try fromSystem(
            unsafe Futex.sleep(
                on: view.futexWord, while: UInt32(truncatingIfNeeded: current.rawValue), nanoseconds: nanoseconds))
    }

    /// For how many nanoseconds to sleep at most.
    var sleepLimit: Int {
        let isHeard = mark != 0 || view.header.state.wakesAlways.load(ordering: .relaxed) != 0
        return isHeard ? SleepLimit.announced : SleepLimit.unannounced
    }

    /// Wakes who waited for what publication `number` has replaced, or for one before; without any, two loads.
    @inline(__always)
    func wakeWaiters(published number: UInt64) {
        let woken = view.header.state.woken.load(ordering: .relaxed)
        let isAwaited = view.header.state.awaited.load(ordering: .sequentiallyConsistent) > woken
        if isAwaited || view.header.state.wakesAlways.load(ordering: .relaxed) != 0 {
            view.wakeAll(published: number, woken: woken)
        }
    }
}

extension SegmentView {
    /// Says that someone waits for publication `number` to be replaced.
    ///
    /// It need not be taken back, and a killed process has nothing to leave: it is over with the next publication.
    fileprivate func announce(waitingFor number: UInt64) {
        var awaited = header.state.awaited.load(ordering: .sequentiallyConsistent)
        // Bounded: whoever is in the way has announced a later one, or breaks the protocol.
        for _ in 0..<1000 {
            if awaited > number { return }
            awaited =
                header.state.awaited.compareExchange(
                    expected: awaited, desired: number + 1, ordering: .sequentiallyConsistent
                ).original
        }
    }

    @inline(never)
    fileprivate func wakeAll(published number: UInt64, woken: UInt64) {
        wakeSleepers()
        // Only now, or a publisher stopped between would keep the others from waking anyone. If another was faster,
        // what it said may be too little, never too much: then someone is woken in vain.
        if woken < number {
            _ = header.state.woken.compareExchange(expected: woken, desired: number, ordering: .releasing)
        }
    }

    /// Tells who waits to look at the name.
    func retire() {
        header.state.retired.store(1, ordering: .releasing)
        wakeSleepers()
    }

    /// Wakes all who sleep in any process; who finds nothing new sleeps on.
    func wakeSleepers() { unsafe Futex.wakeAll(on: futexWord) }
}
