import Glibc
import LinuxSystem
import TestTraits
import Testing

/// What the wall clock may say.
@Suite("Clock", .fewAtATime)
struct ClockTests {
    @Test("A clock before 1970 counts as 1970, and one beyond the last nanosecond as that")
    func everyTime() {
        #expect(Clock.nanoseconds(timespec(tv_sec: -1, tv_nsec: 999_999_999)) == 0)
        #expect(Clock.nanoseconds(timespec(tv_sec: .min, tv_nsec: 0)) == 0)
        #expect(Clock.nanoseconds(timespec(tv_sec: 1, tv_nsec: 2)) == 1_000_000_002)
        #expect(Clock.nanoseconds(timespec(tv_sec: 18_446_744_073, tv_nsec: 709_551_616)) == .max)
        #expect(Clock.nanoseconds(timespec(tv_sec: .max, tv_nsec: 999_999_999)) == .max)
    }
}
