import LinuxSystem
import SharedMemory

/// Notices that the changes which a source reports fall behind what it shows when it is asked.
struct StreamLag {
    /// The version that the source has shown, and has yet to report.
    private var expected: Version?
    /// When it showed that, or last reported anything.
    private var lastProgress = Clock.coarseMilliseconds

    private static let toleratedMilliseconds = 500

    /// Notes that something was reported: a long text takes its time.
    mutating func noteArrival() { lastProgress = Clock.coarseMilliseconds }

    /// Notes what the source shows.
    mutating func expect(_ version: Version) {
        if expected != version { (expected, lastProgress) = (version, Clock.coarseMilliseconds) }
    }

    mutating func expectNothing() { expected = nil }

    /// The version that is overdue; nil if none is.
    func overdue(at replica: Replica) -> Version? {
        guard let expected, Clock.coarseMilliseconds - lastProgress >= Self.toleratedMilliseconds,
            let known = replica.known, known != expected, !known.follows(expected, in: replica.order)
        else { return nil }
        return expected
    }
}
