import LinuxSystem
import SharedMemory
import Synchronization

/// All who watch, and what each has yet to get.
///
/// `@unchecked`: all but `turn` and `poll` is for one thread at a time, the one whose turn it is.
final class Audience: @unchecked Sendable {
    private let feeds: [Feed]
    private let times: WatchTimes
    private let poll: Epoll
    private let turn = Mutex(())
    /// By descriptor.
    private var watchers: [CInt: Watcher] = [:]
    private var stage = Watches.Stage.open
    /// When one of them is next due; coarse milliseconds.
    private var nextDeadline = Int.max
    /// When to look again at a segment that could not be brought up to date.
    private var nextTry = Int.max
    /// Over, and to be let go: a few at a time, as the threads that get them have others to serve.
    private var leaving: [HeldConnection] = []
    private let heartbeat = EventBytes.heartbeat()
    private let end = EventBytes.end()

    init(_ feeds: [Feed], _ times: WatchTimes, _ poll: consuming Epoll) {
        self.feeds = feeds
        self.times = times
        self.poll = poll
    }
}

// MARK: What the two kinds of threads do

extension Audience {
    /// In the thread of ``Watches``, until all is over.
    func run(_ watches: Watches) {
        // Where processors are short, those who read and set come before the many who watch.
        BackgroundThread.lowerPriority()
        var timeout: CInt = -1
        var isOver = false
        while !isOver {
            let events = poll.wait(timeoutMilliseconds: timeout)
            (timeout, isOver) = turn.withLock { _ in
                for event in events { attend(to: event) }
                take(watches.takeNews(), watches)
                attendToDue()
                letSomeGo(watches)
                return (timeoutMilliseconds, stage == .over)
            }
        }
    }

    /// In the thread that saw a segment change: tells the first few at once.
    ///
    /// - Returns: false when the other thread is to go on.
    func tell(_ segment: Int, _ watches: Watches) -> Bool {
        let isDone = turn.withLockIfAvailable { _ in
            let deadline = nextDeadline
            bringUpToDate(segment, watches, limit: 64)
            // The other thread sleeps no longer than until that.
            return leaving.isEmpty && !feeds[segment].isStale && feeds[segment].watchers.count <= 64
                && nextDeadline >= deadline
        }
        return isDone ?? false
    }

    private func take(_ news: Watches.News, _ watches: Watches) {
        for arrival in news.arrivals { begin(arrival) }
        for segment in news.changed { feeds[segment].isStale = true }
        nextTry = .max
        for segment in feeds.indices where feeds[segment].isStale && stage == .open { bringUpToDate(segment, watches) }
        if news.stage != stage { enter(news.stage) }
    }

    private var timeoutMilliseconds: CInt {
        if !leaving.isEmpty { return 1 }
        let next = min(nextDeadline, nextTry)
        return next == .max ? -1 : CInt(clamping: max(0, next - Clock.coarseMilliseconds))
    }
}

// MARK: All watchers

extension Audience {
    /// Tells the watchers of a segment what is newest.
    private func bringUpToDate(_ segment: Int, _ watches: Watches, limit: Int = .max) {
        let feed = feeds[segment]
        // Those it was for may have left.
        guard !feed.watchers.isEmpty else { return feed.isStale = false }
        let previous = feed.event?.version
        var refresh = feed.refresh()
        if refresh == .noMemory {
            // Who is still at one before the last keeps the memory from those who are not; those get theirs in any case.
            attend(to: feed) { if let version = $0.versionOnItsWay, version != previous { drop($0) } }
            guard !feed.watchers.isEmpty else { return }
            refresh = feed.refresh(isCounted: false)
        }
        attend(to: feed, limit: limit) { attend(to: $0) }
        // Not retained: the segment would keep us, and we it.
        let call: @Sendable () -> Void = { [weak watches] in watches?.hasChanged(segment) }
        if refresh == .done, let isHeard = try? feed.listen(call) {
            if !isHeard { nextTry = 0 }
        } else {
            nextTry = min(nextTry, Clock.coarseMilliseconds + 100)
        }
    }

    /// Attends to each watcher of a segment, who may be removed thereby.
    private func attend(to feed: Feed, limit: Int = .max, _ body: (Watcher) -> Void) {
        for index in feed.watchers.indices.reversed().prefix(limit) { body(feed.watchers[index]) }
    }

    private func enter(_ stage: Watches.Stage) {
        self.stage = stage
        for feed in feeds where !feed.watchers.isEmpty {
            // What was set before the end began is told before the end.
            if stage == .ending { _ = feed.refresh() }
            attend(to: feed) { stage == .over ? drop($0) : attend(to: $0) }
        }
    }

    private func attendToDue() {
        let now = Clock.coarseMilliseconds
        guard now >= nextDeadline else { return }
        nextDeadline = .max
        for feed in feeds { attend(to: feed) { attendIfDue(to: $0, now) } }
        // Not for each of many on its own.
        if nextDeadline != .max { nextDeadline = max(nextDeadline, now + 100) }
    }

    private func letSomeGo(_ watches: Watches) {
        let count = stage == .over ? leaving.count : min(leaving.count, 64)
        // First: once let go, a client may be back at once for its place.
        watches.areOver(count)
        for connection in leaving.suffix(count) { connection.letGo() }
        leaving.removeLast(count)
    }
}

// MARK: One watcher

extension Audience {
    private func attend(to event: Epoll.Event) {
        guard let watcher = watchers[event.descriptor] else { return }
        if event.hasLeft { remove(watcher) } else { attend(to: watcher) }
    }

    private func begin(_ arrival: Watches.Arrival) {
        let watcher = Watcher(arrival, feeds[arrival.segment])
        guard (try? poll.add(socket: watcher.connection.descriptor)) != nil else {
            leaving.append(watcher.connection)
            return
        }
        watchers[watcher.connection.descriptor] = watcher
        watcher.feed.add(watcher)
        guard watcher.begin(times) != .failed else { return remove(watcher) }
        // It may know a later text than is known here: then it is attended to once that is looked at.
        if !watcher.feed.isStale { attend(to: watcher) }
    }

    /// Gives a watcher what it does not have, as far as it takes it, and lets it go when it is over.
    private func attend(to watcher: Watcher) {
        var progress = watcher.goOn(times)
        while progress == .done, let next = next(for: watcher) { progress = watcher.send(next, times) }
        if progress == .failed || watcher.isOver || watcher.isPoll && isOver(watcher) { return remove(watcher) }
        nextDeadline = min(nextDeadline, watcher.deadline)
    }

    private func next(for watcher: Watcher) -> EventBytes? {
        if watcher.isPoll || watcher.isOver { return nil }
        if let event = watcher.feed.event, event.version != watcher.version { return event }
        return stage == .open ? nil : end
    }

    /// Whether a poll is to be answered.
    private func isOver(_ poll: Watcher) -> Bool {
        guard stage == .open, Clock.coarseMilliseconds < poll.deadline else { return true }
        guard let present = poll.feed.version else { return false }
        return present != poll.version
    }

    private func attendIfDue(to watcher: Watcher, _ now: Int) {
        if now >= watcher.deadline, !watcher.isPoll {
            // Too slow, or idle for long.
            if watcher.isSending { return drop(watcher) }
            if watcher.send(heartbeat, times) == .failed { return remove(watcher) }
        }
        attend(to: watcher)
    }

    /// Ends a watch in the midst of it.
    private func drop(_ watcher: Watcher) {
        if !watcher.isPoll { Socket.shutDown(watcher.connection.descriptor) }
        remove(watcher)
    }

    private func remove(_ watcher: Watcher) {
        poll.remove(socket: watcher.connection.descriptor)
        watchers[watcher.connection.descriptor] = nil
        watcher.feed.remove(watcher)
        leaving.append(watcher.connection)
    }
}
