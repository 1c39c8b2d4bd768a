import MicroHTTPD
import SharedMemory

/// The subscribers of a segment and its newest version, for the hub's thread alone.
final class Channel {
    private(set) var subscribers: [Subscriber] = []
    /// The newest version that is known here; nil before the first look.
    private(set) var version: Version?
    /// The event that carries it; nil while there are no streams.
    private(set) var event: Event?
    /// Whether there may be something newer.
    var isStale = false
    private let follower: SegmentFollower
    private let budget: ByteBudget
    private var streamCount = 0
    /// The segment that `version` is of, and the callback that announces the next version.
    private var segment: Segment?
    private var callback: CallbackID?

    init(_ follower: SegmentFollower, _ budget: ByteBudget) {
        self.follower = follower
        self.budget = budget
    }

    func add(_ subscriber: Subscriber) {
        subscriber.index = subscribers.count
        subscribers.append(subscriber)
        if !subscriber.isPoll { streamCount += 1 }
        if !isCurrent || !subscriber.isPoll && event == nil { isStale = true }
    }

    /// Whether `version` is what the threads that serve requests would answer: a client may know it from them.
    private var isCurrent: Bool {
        guard let segment, let version else { return false }
        return segment === follower.segment && (try? segment.version) == version
    }

    func remove(_ subscriber: Subscriber) {
        let last = subscribers.removeLast()
        if last !== subscriber {
            last.index = subscriber.index
            subscribers[last.index] = last
        }
        if !subscriber.isPoll { streamCount -= 1 }
        if streamCount == 0 { event = nil }
        if subscribers.isEmpty {
            cancelCallback()
            (segment, version, isStale) = (nil, nil, false)
        }
    }

    private func cancelCallback() {
        if let callback { segment?.cancel(callback) }
        callback = nil
    }

    enum Refresh {
        case done
        /// Text in flight takes all the memory that it may.
        case noMemory
        /// The segment cannot be read at the moment.
        case failed
    }

    /// Looks for the newest version; if `isBudgeted` is false, takes the memory for it in any case.
    func refresh(isBudgeted: Bool = true) -> Refresh {
        cancelCallback()
        isStale = true
        do throws(SegmentError) {
            segment = try newestSegment()
            version = try segment?.version
            guard let segment else {
                event = nil
                return .failed
            }
            if streamCount > 0, event?.version != version {
                event = nil
                event = try Event.text(of: segment, isBudgeted ? budget : nil)
                guard let event else { return .noMemory }
                version = event.version
            }
            return .done
        } catch {
            return .failed
        }
    }

    /// The segment; if its version has not changed, the name is looked at too, and in any case twice a second: a segment
    /// that was unlinked may be set again and again.
    private func newestSegment() throws(SegmentError) -> Segment? {
        follower.attachIfDue()
        if let segment, segment === follower.segment, try segment.version != version { return segment }
        return try? follower.attach()
    }

    /// Calls `call` once there is something newer; until then the channel is not stale.
    ///
    /// - Returns: false if there already is.
    /// - Throws: if the change cannot be announced.
    func awaitChange(_ call: @escaping @Sendable () -> Void) throws(SegmentError) -> Bool {
        guard let segment, let version else { return true }
        callback = try segment.onReplacement(of: version, call)
        isStale = callback == nil
        return !isStale
    }
}
