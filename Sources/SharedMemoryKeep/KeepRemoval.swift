import LinuxSystem
import SharedMemory

/// Kept versions of segments that were removed, and the clients that wait until they are gone from the disk.
struct KeepRemoval {
    /// When to try, in coarse milliseconds.
    private(set) var due = 0
    private var calls: [@Sendable (KeepOutcome) -> Void] = []

    mutating func add(_ call: @escaping @Sendable (KeepOutcome) -> Void) {
        due = 0
        calls.append(call)
    }

    func end() { for call in calls { call(.kept) } }

    mutating func fail(_ failure: KeepFailure) {
        due = Clock.coarseMilliseconds + 1000
        for call in calls { call(.notKept(reason: failure.reason)) }
        calls = []
    }
}
