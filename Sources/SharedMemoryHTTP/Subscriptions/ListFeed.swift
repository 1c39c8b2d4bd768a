import MicroHTTPD

/// The subscribers of the list of segments, for the hub's thread alone.
///
/// Nothing announces the changes of thousands of segments: the hub looks at their headers ten times a second.
final class ListFeed: Feed {
    private(set) var subscribers: [Subscriber] = []
    var isStale: Bool { !subscribers.isEmpty }
    var newest: Event? { nil }
    let list: SegmentList
    private let budget: ByteBudget
    /// The last change that was found.
    private var latest: UInt64 = 0

    init(_ list: SegmentList, _ budget: ByteBudget) { (self.list, self.budget) = (list, budget) }

    func add(_ subscriber: Subscriber) {
        subscriber.index = subscribers.count
        subscribers.append(subscriber)
        if subscribers.count == 1 { list.setLogged(true) }
    }

    func remove(_ subscriber: Subscriber) {
        subscribers.remove(subscriber)
        if subscribers.isEmpty { list.setLogged(false) }
    }

    /// Looks for changes, and forgets those of which all subscribers have been told.
    func refresh() {
        latest = list.refresh()
        list.forget(through: subscribers.map(known).min() ?? latest)
    }

    /// The change up to which a subscriber knows the list, or will once it has received it.
    private func known(_ subscriber: Subscriber) -> UInt64 {
        subscriber.change > 0 ? subscriber.change : subscriber.sending?.event.change ?? latest
    }

    func next(for subscriber: Subscriber) -> Event? {
        guard case .list(let patterns) = subscriber.source else { return nil }
        // If there is no memory for the list, the next look tries again.
        if subscriber.change == 0 { return list.listEvent(patterns, budget) }
        return subscriber.change < latest ? list.next(after: &subscriber.change, patterns) : nil
    }

    func hasEnded(for subscriber: Subscriber) -> Bool { false }

    func hasNews(forPoll subscriber: Subscriber) -> Bool { true }
}
