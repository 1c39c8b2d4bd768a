internal import Glibc
import LinuxSystem
import SharedMemory
import Synchronization

/// The requests that are held: polls until the text is another one, event streams for as long as their client stays.
///
/// Whoever sees a change, the segment's own thread, tells all their clients of it; another thread has the rest to do.
/// Those that serve requests hand one over and get it back when it is over: however many watch, nobody else waits.
final class Watches: Sendable {
    private let limit: Int
    private let bell: EventDescriptor
    private let audience: Audience
    private let beginDeadline = Clock.coarseMilliseconds + 1000
    private let state = Mutex(State())

    private struct State: ~Copyable {
        /// Those that are held, or about to be.
        var count = 0
        /// The server has started.
        var hasBegun = false
        var news = News()
        var thread: BackgroundThread?
    }

    /// What the thread has yet to hear.
    struct News {
        var arrivals: [Arrival] = []
        /// Segments, by their place, that may have another text.
        var changed: Set<Int> = []
        var stage = Stage.open
    }

    enum Stage {
        case open
        /// Each watch is brought to its proper end.
        case ending
        /// All are over, whatever they are at.
        case over
    }

    /// A request that is to be held.
    struct Arrival: Sendable {
        let connection: HeldConnection
        let segment: Int
        let form: Watcher.Form
        /// What the client knows; nil for nothing.
        let version: Version?
        /// Until when a poll is held; coarse milliseconds.
        let deadline: Int
    }

    /// - Throws: what the system says.
    init(
        _ resources: [SegmentResource], limit: Int, _ times: WatchTimes, _ budget: ByteBudget
    ) throws(SystemError) {
        self.limit = limit
        bell = try EventDescriptor()
        let poll = try Epoll()
        try poll.add(bell)
        audience = Audience(resources.map { Feed($0, budget) }, times, poll)
        let watches = unsafe Unmanaged.passUnretained(self)
        let thread = try BackgroundThread(named: "sharedmem tell") {
            unsafe watches._withUnsafeGuaranteedRef { $0.audience.run($0) }
        }
        state.withLock { $0.thread = thread }
    }

    deinit { stop() }
}

// MARK: What the threads that serve requests do

extension Watches {
    enum Admission { case admitted, full, ending }

    /// Keeps a place for a request; ``add(_:)`` must follow.
    ///
    /// While the server starts, that is waited for, but not for long: should it fail, MHD must hold nothing when it stops.
    func admit() -> Admission {
        while Clock.coarseMilliseconds < beginDeadline, state.withLock({ !$0.hasBegun && $0.news.stage == .open }) {
            usleep(1000)
        }
        return state.withLock { state in
            guard state.hasBegun, state.news.stage == .open else { return .ending }
            guard state.count < limit else { return .full }
            state.count += 1
            return .admitted
        }
    }

    func add(_ arrival: Arrival) {
        let isOver = state.withLock { state in
            if state.news.stage == .over { return true }
            state.news.arrivals.append(arrival)
            return false
        }
        if isOver { arrival.connection.letGo() } else { bell.signal() }
    }

    /// From now on requests are held.
    func begin() { state.withLock { $0.hasBegun = true } }

    /// Begins to end all watches; from now on none is admitted.
    func end() { advance(to: .ending) }

    /// Ends what is left, and the thread.
    func stop() {
        advance(to: .over)
        let thread = state.withLock { state in
            defer { state.thread = nil }
            return state.thread
        }
        thread?.join()
    }

    private func advance(to stage: Stage) {
        state.withLock { $0.news.stage = stage }
        bell.signal()
    }
}

// MARK: What the thread hears

extension Watches {
    /// In the thread that saw the change.
    func hasChanged(_ segment: Int) {
        if audience.tell(segment, self) { return }
        state.withLock { _ = $0.news.changed.insert(segment) }
        bell.signal()
    }

    func takeNews() -> News {
        state.withLock { state in
            defer { state.news = News(stage: state.news.stage) }
            return state.news
        }
    }

    /// So many places are free again.
    func areOver(_ count: Int) {
        if count > 0 { state.withLock { $0.count -= count } }
    }
}
