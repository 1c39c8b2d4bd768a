public import Glibc

/// The kernel's clocks.
@usableFromInline package enum Clock {
    /// Milliseconds on a clock that never goes back, accurate to a few of them; takes a few nanoseconds to read.
    @inlinable
    package static var coarseMilliseconds: Int {
        let time = read(CLOCK_MONOTONIC_COARSE)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    /// Milliseconds on a clock that never goes back, and goes on while the host is suspended.
    package static var boottimeMilliseconds: Int {
        let time = read(CLOCK_BOOTTIME)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    /// Nanoseconds on a clock that never goes back.
    @inlinable
    package static var monotonicNanoseconds: Int {
        let time = read(CLOCK_MONOTONIC)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// The moment, on the monotonic clock, when `duration` will have passed.
    ///
    /// A negative duration counts as zero, and a longer one than 136 years as 136 years.
    package static func monotonicNanoseconds(after duration: Duration) -> Int {
        let (seconds, attoseconds) = min(max(duration, .zero), .seconds(1 << 32)).components
        return monotonicNanoseconds + Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z by the wall clock; 0 before that, and the highest number after 2554.
    @inlinable
    package static var realtimeNanoseconds: UInt64 { nanoseconds(read(CLOCK_REALTIME)) }

    @inlinable @inline(__always)
    package static func nanoseconds(_ time: timespec) -> UInt64 {
        guard time.tv_sec >= 0 else { return 0 }
        let (seconds, isTooMuch) = UInt64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isJustTooMuch) = seconds.addingReportingOverflow(UInt64(time.tv_nsec))
        return isTooMuch || isJustTooMuch ? .max : sum
    }

    /// Whole seconds since 1970-01-01T00:00:00Z by the wall clock; takes a few nanoseconds to read.
    @inlinable
    package static var realtimeSeconds: Int64 { Int64(time(nil)) }

    @inlinable @inline(__always)
    package static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return time
    }
}
