internal import CLinux
internal import Glibc

/// Sleeps until a word in shared memory changes, and wakes sleeping threads (futex(2)).
package enum Futex {
    package enum Outcome { case woken, changedBefore, timeIsUp, interrupted }

    /// Sleeps while `word` is `value`, but no longer than `nanoseconds`; it may also return early for no reason.
    ///
    /// The caller needs no right but to read the word.
    package static func sleep(
        on word: UnsafeRawPointer, while value: UInt32, nanoseconds: Int
    ) throws(SystemError) -> Outcome {
        // Not repeated after a signal: a caller that has a handler wants to know.
        switch unsafe clinux_futex_wait(word, value, Int64(nanoseconds)) {
        case 0: .woken
        case -EAGAIN: .changedBefore
        case -ETIMEDOUT: .timeIsUp
        case -EINTR: .interrupted
        case let code: throw SystemError(call: "futex(FUTEX_WAIT)", code: -code)
        }
    }

    /// Wakes all threads that sleep on `word`, in every process.
    ///
    /// It fails only for a wrong address or for want of kernel memory; then the sleepers wake by themselves.
    package static func wakeAll(on word: UnsafeRawPointer) { _ = unsafe clinux_futex_wake(word, .max) }

    /// Wakes the thread that has slept on `word` the longest.
    package static func wakeOne(on word: UnsafeRawPointer) { _ = unsafe clinux_futex_wake(word, 1) }
}
