import CLinux
internal import Glibc

/// Sleeping until a word in shared memory changes, and waking who sleeps (futex(2)).
enum Futex {
    enum End { case woken, changedBefore, timeIsUp, interrupted }

    /// Sleeps while `word` is `value`, for a time at most; how it ended may also be a false alarm.
    ///
    /// Needs no more than the right to read the word.
    static func sleep(
        on word: UnsafeRawPointer, while value: UInt32, nanoseconds: Int
    ) throws(SegmentError) -> End {
        // Not begun again after a signal: whoever has a handler wants to know.
        switch unsafe clinux_futex_wait(word, value, Int64(nanoseconds)) {
        case 0: .woken
        case -EAGAIN: .changedBefore
        case -ETIMEDOUT: .timeIsUp
        case -EINTR: .interrupted
        case let code: throw .system(call: "futex(FUTEX_WAIT)", code: -code)
        }
    }

    /// Wakes all who sleep on `word`, in every process.
    ///
    /// What could fail is the address, or the kernel's memory: the sleepers wake by themselves in a second.
    static func wakeAll(on word: UnsafeRawPointer) { _ = unsafe clinux_futex_wake(word) }
}
