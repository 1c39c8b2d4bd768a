/// What a group of subscribers follows, for the hub's thread alone.
protocol Feed: AnyObject {
    var subscribers: [Subscriber] { get }
    /// Whether there may be something newer.
    var isStale: Bool { get }

    func add(_ subscriber: Subscriber)

    func remove(_ subscriber: Subscriber)

    /// What a stream is to be sent next; nil if it has everything.
    func next(for subscriber: Subscriber) -> Event?

    /// The newest event, which replaces one whose sending has not begun; nil if every event counts.
    var newest: Event? { get }

    /// Whether a stream has been sent its last event.
    func hasEnded(for subscriber: Subscriber) -> Bool

    /// Whether a poll is over.
    func hasNews(forPoll subscriber: Subscriber) -> Bool
}

extension [Subscriber] {
    /// Removes a subscriber, whose place the last one takes.
    mutating func remove(_ subscriber: Subscriber) {
        let last = removeLast()
        guard last !== subscriber else { return }
        last.index = subscriber.index
        self[last.index] = last
    }
}
