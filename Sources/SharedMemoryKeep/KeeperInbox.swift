import LinuxSystem
import SharedMemory
import Synchronization

/// What became of a version for which a client waits.
package enum KeepOutcome: Hashable, Sendable {
    /// It is on disk, or a later one is.
    case kept
    case notKept(reason: String)
}

struct KeepWaiter: Sendable {
    let version: Version
    let call: @Sendable (KeepOutcome) -> Void
}

struct KeepReading: Sendable {
    let name: String
    let version: Version
    let found: @Sendable (KeptVersion, KeptVersion?, Span<UInt8>) -> Void
    let missing: @Sendable () -> Void
}

/// What the keeper's thread has yet to take in, and what it tells the others.
///
/// The core's thread that sees a change has this and not the keeper, which has the segments.
final class KeeperInbox: Sendable {
    private let news = Mutex(News())
    let told = Mutex(Told())
    let wakeUp: EventDescriptor
    /// Signaled once all calls have been made that were due when the keeper was released.
    let released: EventDescriptor

    init(wakeUp: consuming EventDescriptor, released: consuming EventDescriptor) {
        self.wakeUp = wakeUp
        self.released = released
    }

    enum Stage {
        case open
        /// Nothing waits any more.
        case releasing
        case stopped
    }

    struct News: Sendable {
        var arrivals: [KeptSegment] = []
        /// What the names of a directory have come to lead to.
        var looks: [(name: String, glance: SegmentGlance?)] = []
        var removals: [(name: String, call: (@Sendable (KeepOutcome) -> Void)?)] = []
        /// Names of segments that may have a new version.
        var changed: Set<String> = []
        var waiters: [(name: String, waiter: KeepWaiter)] = []
        var readings: [KeepReading] = []
        var stage = Stage.open
    }

    /// A report of the keeper's thread.
    struct Told: Sendable {
        var published: [String: Published] = [:]
        var failures = 0
    }

    struct Published: Sendable {
        let versions: [KeptVersion]
        /// That of the segment, if it is in a directory that is kept whole; nil for any.
        let instance: UInt64?
        let failures: Int
        /// When the oldest change was noticed that is not on disk, in coarse milliseconds; nil if there is none.
        let changedAt: Int?

        var status: KeepStatus {
            let lag = changedAt.map { Double(max(1, Clock.coarseMilliseconds - $0)) / 1000 }
            return KeepStatus(failures: failures, lagSeconds: lag ?? 0)
        }
    }

    @discardableResult
    func deliver<Result: Sendable>(_ change: (inout News) -> Result) -> Result {
        let result = news.withLock { change(&$0) }
        wakeUp.signal()
        return result
    }

    /// Takes what has come.
    func take() -> News {
        news.withLock { news in
            var empty = News()
            empty.stage = news.stage
            swap(&news, &empty)
            return empty
        }
    }
}
