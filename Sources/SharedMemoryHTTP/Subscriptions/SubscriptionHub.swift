import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import Synchronization

/// The requests that are held: polls until the text changes, event streams for as long as their client stays.
///
/// The threads that serve requests hand a request over and get it back when it is over. One thread of the hub has all of
/// them: however many subscribers there are, no other request waits for them.
///
/// `@unchecked`: only the hub's thread uses the properties listed under its name.
final class SubscriptionHub: @unchecked Sendable {
    private let limit: Int
    private let times: Subscriber.Times
    private let inbox: Inbox
    private let thread = Mutex<BackgroundThread?>(nil)

    // The hub's thread.
    private let epoll: Epoll
    private let budget: ByteBudget
    private let metrics: Metrics
    private let listFeed: ListFeed
    /// Those that have subscribers, by their resource.
    private var channels: [ObjectIdentifier: Channel] = [:]
    /// By descriptor.
    private var subscribers: [CInt: Subscriber] = [:]
    private var stage = Stage.open
    /// When the next subscriber is due, in coarse milliseconds.
    private var nextDeadline = Int.max
    /// When to look again at a segment that could not be read.
    private var nextRetry = Int.max
    /// When to look at all segments, for the subscribers of the list.
    private var nextListLook = Int.max
    /// Connections to resume: a few at a time, as the threads that get them have others to serve.
    private var leaving: [HeldConnection] = []
    private let heartbeat = Event(.heartbeat)
    private let end = Event(.end)

    fileprivate enum Stage {
        case open
        /// Each subscription is brought to its proper end.
        case closing
        /// Each subscription ends at once.
        case closed
    }

    init(
        _ list: SegmentList, limit: Int, _ times: Subscriber.Times, _ budget: ByteBudget, _ metrics: Metrics
    ) throws(SystemError) {
        self.metrics = metrics
        self.limit = limit
        self.times = times
        inbox = Inbox(try EventDescriptor())
        epoll = try Epoll()
        self.budget = budget
        listFeed = ListFeed(list, budget)
        try epoll.add(inbox.wakeUp)
        let hub = unsafe Unmanaged.passUnretained(self)
        let started = try BackgroundThread(named: "sharedmem tell") { unsafe hub._withUnsafeGuaranteedRef { $0.run() } }
        thread.withLock { $0 = started }
    }

    deinit { stop() }
}

// MARK: For the threads that serve requests

extension SubscriptionHub {
    enum Admission { case admitted, full, closing }

    /// Reserves a place for a request; ``add(_:)`` must follow.
    func admit() -> Admission {
        inbox.news.withLock { news in
            guard news.stage == .open else { return .closing }
            guard news.count < limit else { return .full }
            news.count += 1
            return .admitted
        }
    }

    func add(_ subscriber: sending Subscriber) {
        let connection = subscriber.connection
        let isClosed = inbox.news.withLock { news in
            if news.stage == .closed { return true }
            news.arrivals.append(subscriber)
            return false
        }
        if isClosed { connection.resume() } else { inbox.wakeUp.signal() }
    }

    /// Has the subscribers of a segment look at it, because it was removed.
    func announceChange(of resource: SegmentResource) { inbox.announceChange(of: ObjectIdentifier(resource)) }

    /// Begins to end all subscriptions, and admits no more.
    func close() { advance(to: .closing) }

    /// Ends all subscriptions, and the thread.
    func stop() {
        advance(to: .closed)
        thread.withLock { $0 }?.join()
    }

    private func advance(to stage: Stage) {
        inbox.news.withLock { $0.stage = stage }
        inbox.wakeUp.signal()
    }
}

// MARK: The hub's thread

extension SubscriptionHub {
    private func run() {
        // If processors are short, readers and writers come before the many subscribers.
        BackgroundThread.lowerPriority()
        while stage != .closed || !leaving.isEmpty {
            for event in epoll.wait(timeoutMilliseconds: timeoutMilliseconds) {
                guard let subscriber = subscribers[event.descriptor] else { continue }
                if event.hasLeft { remove(subscriber) } else { serve(subscriber) }
            }
            takeInbox()
            handleDue()
            resumeSome()
        }
    }

    private var timeoutMilliseconds: CInt {
        if !leaving.isEmpty { return 1 }
        let next = min(nextDeadline, nextRetry, nextListLook)
        return next == .max ? -1 : CInt(clamping: max(0, next - Clock.coarseMilliseconds))
    }

    private func takeInbox() {
        let news = inbox.news.withLock { news in
            defer { (news.arrivals, news.changed) = ([], []) }
            return news
        }
        for subscriber in news.arrivals { begin(subscriber) }
        for resource in news.changed { channels[resource]?.isStale = true }
        nextRetry = .max
        if stage == .open {
            for channel in channels.values where channel.isStale { refresh(channel) }
            refreshListIfDue()
        }
        if news.stage != stage { enter(news.stage) }
    }

    /// Tells the subscribers of the list what has changed, ten times a second.
    private func refreshListIfDue() {
        let now = Clock.coarseMilliseconds
        guard now >= nextListLook else { return }
        nextListLook = listFeed.subscribers.isEmpty ? .max : now + 100
        listFeed.refresh()
        forEach(in: listFeed) { serve($0) }
    }

    /// Gives the subscribers of a segment the newest version.
    private func refresh(_ channel: Channel) {
        // The subscribers that it was stale for may have left.
        guard !channel.subscribers.isEmpty else { return channel.isStale = false }
        let previous = channel.newest?.version
        var refresh = channel.refresh()
        if refresh == .noMemory {
            // A subscriber that is still receiving a version before the last one keeps the memory from the others. Those get
            // the newest version in any case.
            forEach(in: channel) { if let version = $0.sending?.event.version, version != previous { drop($0) } }
            guard !channel.subscribers.isEmpty else { return }
            refresh = channel.refresh(isBudgeted: false)
        }
        forEach(in: channel) { serve($0) }
        let id = channel.id
        let announce: @Sendable () -> Void = { [inbox] in inbox.announceChange(of: id) }
        if refresh == .done, let isAwaited = try? channel.awaitChange(announce) {
            if !isAwaited { nextRetry = 0 }
        } else {
            nextRetry = min(nextRetry, Clock.coarseMilliseconds + 100)
        }
    }

    /// Calls `body` for each subscriber of a feed; it may remove that one.
    private func forEach(in feed: any Feed, _ body: (Subscriber) -> Void) {
        for index in feed.subscribers.indices.reversed() { body(feed.subscribers[index]) }
    }

    private var feeds: [any Feed] { Array(channels.values) + [listFeed] }

    private func enter(_ stage: Stage) {
        self.stage = stage
        for feed in feeds {
            // A version that was set before the end is sent before the end.
            if stage == .closing { (feed as? Channel).map { _ = $0.refresh() } }
            forEach(in: feed) { stage == .closed ? drop($0) : serve($0) }
        }
    }

    private func handleDue() {
        let now = Clock.coarseMilliseconds
        guard now >= nextDeadline else { return }
        nextDeadline = .max
        for feed in feeds { forEach(in: feed) { handleIfDue($0, now) } }
        // Many deadlines are handled together.
        if nextDeadline != .max { nextDeadline = max(nextDeadline, now + 100) }
    }

    private func resumeSome() {
        let count = stage == .closed ? leaving.count : min(leaving.count, 64)
        guard count > 0 else { return }
        // The places are given back first: once resumed, a client may ask for one again at once.
        inbox.news.withLock { $0.count -= count }
        for connection in leaving.suffix(count) { connection.resume() }
        leaving.removeLast(count)
    }
}

// MARK: One subscriber

extension SubscriptionHub {
    private func begin(_ subscriber: Subscriber) {
        let connection = subscriber.connection
        guard (try? connection.transport.awaitReadiness(in: epoll)) != nil else { return leaving.append(connection) }
        subscribers[connection.transport.descriptor] = subscriber
        let feed = feed(of: subscriber)
        feed.add(subscriber)
        countSubscriber(subscriber, 1)
        guard subscriber.begin(times) != .failed else { return remove(subscriber) }
        // It may know a later version than the feed does: then it is served once the feed is refreshed.
        if feed === listFeed { nextListLook = 0 } else if !feed.isStale { serve(subscriber) }
    }

    /// Sends a subscriber what it does not have, as far as it takes it, and removes it when it is finished.
    private func serve(_ subscriber: Subscriber) {
        let feed = feed(of: subscriber)
        if let newest = feed.newest { subscriber.skip(to: newest) }
        var progress = subscriber.goOn(times)
        while progress == .done, let next = next(for: subscriber, in: feed) { progress = subscriber.send(next, times) }
        if progress == .failed || subscriber.isFinished || subscriber.isPoll && isFinished(poll: subscriber, in: feed) {
            return remove(subscriber)
        }
        nextDeadline = min(nextDeadline, subscriber.deadline)
    }

    private func countSubscriber(_ subscriber: Subscriber, _ change: Int) {
        switch subscriber.source {
        case .list: listFeed.list.subscriberCount.add(change, ordering: .relaxed)
        case .text(let resource) where subscriber.isPoll: resource.counts.polls.add(change, ordering: .relaxed)
        case .text(let resource): resource.counts.streams.add(change, ordering: .relaxed)
        }
    }

    private func next(for subscriber: Subscriber, in feed: any Feed) -> Event? {
        if subscriber.isPoll || subscriber.isFinished { return nil }
        if let event = feed.next(for: subscriber) { return event }
        return stage == .open && !feed.hasEnded(for: subscriber) ? nil : end
    }

    private func isFinished(poll: Subscriber, in feed: any Feed) -> Bool {
        guard stage == .open, Clock.coarseMilliseconds < poll.deadline else { return true }
        return feed.hasNews(forPoll: poll)
    }

    /// What a subscriber follows; the channel of a segment exists while there are subscribers.
    private func feed(of subscriber: Subscriber) -> any Feed {
        guard case .text(let resource) = subscriber.source else { return listFeed }
        let id = ObjectIdentifier(resource)
        if let channel = channels[id] { return channel }
        let channel = Channel(resource, budget)
        channels[id] = channel
        return channel
    }

    private func handleIfDue(_ subscriber: Subscriber, _ now: Int) {
        if now >= subscriber.deadline, !subscriber.isPoll {
            // Either the client is too slow, or the stream has been silent for long.
            if subscriber.sending != nil {
                metrics.dropped.add(1, ordering: .relaxed)
                return drop(subscriber)
            }
            if subscriber.send(heartbeat, times) == .failed { return remove(subscriber) }
        }
        serve(subscriber)
    }

    /// Ends a subscription in the middle of it.
    private func drop(_ subscriber: Subscriber) {
        if !subscriber.isPoll { subscriber.connection.transport.close() }
        remove(subscriber)
    }

    private func remove(_ subscriber: Subscriber) {
        let transport = subscriber.connection.transport
        transport.stopAwaitingReadiness(in: epoll)
        subscribers[transport.descriptor] = nil
        let feed = feed(of: subscriber)
        feed.remove(subscriber)
        countSubscriber(subscriber, -1)
        if feed.subscribers.isEmpty, let channel = feed as? Channel { channels[channel.id] = nil }
        leaving.append(subscriber.connection)
    }
}

/// What the hub's thread has yet to take in.
///
/// The core's thread that sees a change has this and not the hub. With the hub, it would be the last to have the segment if
/// the server stopped just then, and the process could exit before it had detached.
private final class Inbox: Sendable {
    let news = Mutex(News())
    let wakeUp: EventDescriptor

    struct News {
        /// The requests that are held, or about to be.
        var count = 0
        var arrivals: [Subscriber] = []
        /// The resources that may have a new version, by the ids of their channels.
        var changed: Set<ObjectIdentifier> = []
        var stage = SubscriptionHub.Stage.open
    }

    init(_ wakeUp: consuming EventDescriptor) { self.wakeUp = wakeUp }

    func announceChange(of resource: ObjectIdentifier) {
        news.withLock { _ = $0.changed.insert(resource) }
        wakeUp.signal()
    }
}
