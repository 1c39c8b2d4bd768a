import HTTPMessages
import MicroHTTPD
import SharedMemory

/// The subscribers of a segment and its newest version, for the hub's thread alone.
final class Channel: Feed {
    private(set) var subscribers: [Subscriber] = []
    /// The newest version that is known here; nil before the first look.
    private var version: Version?
    /// The event that carries it; nil while there are no streams.
    private var event: Event?
    var newest: Event? { event }
    /// Whether there may be something newer.
    var isStale = false
    private let resource: SegmentResource
    private var follower: SegmentFollower { resource.follower }
    private let budget: ByteBudget
    private var streamCount = 0
    /// The segment that `version` is of, and the callback that announces the next version.
    private var segment: Segment?
    private var callback: CallbackID?

    var id: ObjectIdentifier { ObjectIdentifier(resource) }

    init(_ resource: SegmentResource, _ budget: ByteBudget) {
        self.resource = resource
        self.budget = budget
    }

    enum Refresh {
        case done
        /// Text in flight takes all the memory that it may.
        case noMemory
        /// The segment cannot be read at the moment.
        case failed
    }

    /// The replica's text; nil without a replica, and until it has adopted a version.
    private var shown: Replica.Shown? { resource.following?.replica.shown }

    func add(_ subscriber: Subscriber) {
        subscriber.index = subscribers.count
        subscribers.append(subscriber)
        if !subscriber.isPoll { streamCount += 1 }
        if !isCurrent || !subscriber.isPoll && event == nil { isStale = true }
    }

    /// Whether `version` is what the threads that serve requests would answer: a client may know it from them.
    private var isCurrent: Bool {
        if let shown { return version == shown.version }
        guard let segment, let version else { return false }
        return segment === follower.segment && (try? segment.version) == version
    }

    func remove(_ subscriber: Subscriber) {
        subscribers.remove(subscriber)
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

    /// Looks for the newest version; if `isBudgeted` is false, takes the memory for it in any case.
    func refresh(isBudgeted: Bool = true) -> Refresh {
        cancelCallback()
        isStale = true
        if let shown { return refresh(shown, isBudgeted ? budget : nil) }
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

    private func refresh(_ shown: Replica.Shown, _ budget: ByteBudget?) -> Refresh {
        version = shown.version
        guard streamCount > 0, event?.version != version else { return .done }
        event = Event.text(shown, budget)
        return event == nil ? .noMemory : .done
    }

    /// The segment; if its version has not changed, the name is looked at too, and in any case twice a second: a segment
    /// that was unlinked may be set again and again.
    private func newestSegment() throws(SegmentError) -> Segment? {
        if resource.isRemoved { return nil }
        follower.attachIfDue()
        if let segment, segment === follower.segment, try segment.version != version { return segment }
        return try? follower.attach()
    }

    func next(for subscriber: Subscriber) -> Event? {
        if resource.isRemoved { return subscriber.isTold ? nil : removal }
        guard let event, event.version != subscriber.version else { return nil }
        return event
    }

    func hasEnded(for subscriber: Subscriber) -> Bool { resource.isRemoved && subscriber.isTold }

    /// The event that says that the segment was removed.
    private var removal: Event {
        let data = Array("{\"name\":\"\(resource.name)\"}".utf8)
        return Event(.event(named: "removed", data: data.span), change: Subscriber.toldOfRemoval)
    }

    func hasNews(forPoll subscriber: Subscriber) -> Bool {
        if resource.isRemoved { return true }
        guard let version else { return false }
        return version != subscriber.version
    }

    /// Calls `call` once there is something newer; until then the channel is not stale.
    ///
    /// - Returns: false if there already is.
    /// - Throws: if the change cannot be announced.
    func awaitChange(_ call: @escaping @Sendable () -> Void) throws(SegmentError) -> Bool {
        // The replica announces its changes itself.
        if let shown {
            isStale = shown.version != version
            return !isStale
        }
        guard let segment, let version else { return true }
        callback = try segment.onReplacement(of: version, call)
        isStale = callback == nil
        return !isStale
    }
}
