import HTTPClient
import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import Synchronization

/// A replica of an origin's text: the version that this server has adopted, and how current it is.
///
/// The server replaces what any other process sets in the segment, and never serves it.
/// Any thread may use a replica at any time; ``FollowLoop`` alone adopts.
final class Replica: Sendable {
    /// The text that clients get.
    struct Shown: Sendable {
        /// The version that the origin gave the text.
        let version: Version
        let text: [UInt8]
        /// When it was adopted.
        let time: Timestamp
    }

    /// What a request waits for.
    enum Goal {
        /// The adopted version is this one, or a later one of the same history.
        ///
        /// The awaited one had been set by that moment, so whatever is confirmed after it is that one or a later one.
        case version(Version, orConfirmationAfter: Int)
        /// The adopted version was the origin's after this moment, in milliseconds of the boottime clock.
        case confirmation(after: Int)
    }

    let name: String
    private let publisher: ReplicaPublisher
    private let log: ServerLog
    /// Readable when ``FollowLoop`` is to confirm the version at once.
    let wakeUp: EventDescriptor
    private let state = Mutex(State())
    let counts = Counts()

    struct Counts: ~Copyable {
        /// Texts that other processes have put into the segment.
        let foreign = Atomic(0)
        /// Versions of the origin that could not be shown.
        let refused = Atomic(0)
        /// Times that the origin's history was replaced by another one.
        let histories = Atomic(0)
    }

    private struct State {
        var shown: Shown?
        /// The origin's version, even if its text cannot be shown.
        var known: Version?
        /// The last versions of the present history, the newest one last.
        var recent: [Version] = []
        /// When the known version was last confirmed; nil if it never was.
        var confirmed: Int?
        var isConnected = false
        /// The servers between the origin and this one, as `Via` lists them.
        var via = ""
        var order = VersionOrder.instance
        var waiters: [(goal: Goal, deadline: Int, resume: @Sendable (Bool) -> Void)] = []
        var isStopped = false
        /// Told of each new version.
        var onChange: @Sendable () -> Void = {}
        /// The reasons why servers could not be followed since one last was, by URL.
        var faults: [ServerURL: Set<String>] = [:]

        func hasReached(_ goal: Goal) -> Bool {
            switch goal {
            case .version(let version, let moment):
                recent.contains(version) || known?.follows(version, in: .instance) == true
                    || isConfirmed(after: moment)
            case .confirmation(let moment): isConfirmed(after: moment)
            }
        }

        /// A confirmation of the same millisecond may have been asked for before the moment.
        private func isConfirmed(after moment: Int) -> Bool { confirmed.map { $0 > moment } ?? false }

        /// Makes a version the known one.
        mutating func know(_ version: Version, isOtherHistory: Bool) {
            known = version
            recent = isOtherHistory ? [version] : recent.suffix(Self.recentCount - 1) + [version]
        }

        private static let recentCount = 64
    }

    init(
        _ name: String, _ publisher: ReplicaPublisher, _ log: ServerLog
    ) throws(SystemError) {
        (self.name, self.publisher, self.log) = (name, publisher, log)
        wakeUp = try EventDescriptor()
    }

    /// - Parameter onChange: called after each new version.
    func start(onChange: @escaping @Sendable () -> Void) { state.withLock { $0.onChange = onChange } }

    // MARK: What is known

    /// Nil until the first version is adopted: until then, clients get the segment's own text.
    var shown: Shown? { state.withLock { $0.shown } }

    /// The version that a change has to replace; nil if none is known.
    var known: Version? { state.withLock { $0.known } }

    var isConnected: Bool { state.withLock { $0.isConnected } }

    /// Whether this server sets the text in the segment, and not another one on the host.
    var isPublisher: Bool { publisher.isOwner }

    /// For how many milliseconds the origin may have had a newer version; nil if that is not known.
    var ageMilliseconds: Int? { state.withLock { $0.confirmed }.map { max(0, Clock.boottimeMilliseconds - $0) } }

    /// Whether the shown text was the origin's at most so many milliseconds ago, or with nil, ever.
    func isCurrent(withinMilliseconds limit: Int?) -> Bool {
        state.withLock { state in
            guard let confirmed = state.confirmed, state.shown?.version == state.known else { return false }
            return limit.map { Clock.boottimeMilliseconds - confirmed <= $0 } ?? true
        }
    }

    /// The fields of a response about the text's age and the servers that it came through.
    ///
    /// A response is sent for up to a second after it is made, and the age is in whole seconds.
    func fields(_ ownName: String) -> [ResponseField] {
        let (via, order) = state.withLock { ($0.via, $0.order) }
        let age = ageMilliseconds.map { [ResponseField(.age, "\(($0 + 1999) / 1000)")] } ?? []
        let mark = order == .revision ? [ResponseField(.versionOrder, order.rawValue)] : []
        return age + mark + [ResponseField(.via, via.isEmpty ? "1.1 \(ownName)" : "\(via), 1.1 \(ownName)")]
    }
}

// MARK: For the loop

extension Replica {
    func connected(via: String, _ order: VersionOrder) {
        state.withLock { state in
            (state.isConnected, state.via, state.order, state.faults) = (true, via, order, [:])
        }
    }

    var order: VersionOrder { state.withLock { $0.order } }

    /// - Returns: whether this reason is new since a server was last followed.
    func disconnected(from url: ServerURL, because reason: String) -> Bool {
        state.withLock { state in
            state.isConnected = false
            return state.faults[url, default: []].insert(reason).inserted
        }
    }

    /// The known version was the origin's at this moment.
    func confirm(at moment: Int) {
        state.withLock { state in
            guard state.shown?.version == state.known else { return }
            state.confirmed = max(moment, state.confirmed ?? moment)
        }
        resumeWaiters()
    }

    /// Shows a version of the origin's from now on, unless its text cannot be the segment's.
    ///
    /// - Parameters:
    ///   - moment: when the version was the origin's for certain; nil if that is not known.
    ///   - isOtherHistory: whether the version is not one that came after the known one.
    func adopt(_ version: Version, _ text: [UInt8], at moment: Int?, isOtherHistory: Bool = false) {
        if isOtherHistory {
            counts.histories.add(1, ordering: .relaxed)
            log.foundOtherHistory(name, version)
        }
        // The origin has lost its text, after a reboot perhaps: the last one stays until it has another.
        if version.number == 0, shown != nil || publisher.hasText {
            return refuse(version, isOtherHistory, "the origin has none")
        }
        do throws(SegmentError) {
            if try publisher.checkAndPublish(text) { noteForeignText() }
        } catch {
            return refuse(version, isOtherHistory, "\(error)")
        }
        let shown = Shown(version: version, text: text, time: .now)
        // Only now: a request that waits for this version must find it in the segment.
        let onChange = state.withLock { state in
            state.shown = shown
            state.know(version, isOtherHistory: isOtherHistory)
            return state.onChange
        }
        log.adopted(name, version, byteCount: text.count)
        onChange()
        if let moment { confirm(at: moment) } else { resumeWaiters() }
    }

    /// Remembers a version that cannot be shown: the last good text stays.
    private func refuse(_ version: Version, _ isOtherHistory: Bool, _ reason: String) {
        state.withLock { $0.know(version, isOtherHistory: isOtherHistory) }
        resumeWaiters()
        counts.refused.add(1, ordering: .relaxed)
        log.notShown(name, version, reason)
    }

    /// Replaces what other processes have put into the segment, and ends the waits whose time is up.
    func tick() {
        if publisher.restore() { noteForeignText() }
        resumeWaiters()
    }

    private func noteForeignText() {
        counts.foreign.add(1, ordering: .relaxed)
        log.overwrote(name)
    }

    /// Whether a request waits for a confirmation.
    var isAwaited: Bool {
        state.withLock { $0.waiters.contains { if case .confirmation = $0.goal { true } else { false } } }
    }
}

// MARK: For requests

extension Replica {
    /// Waits for a version or for a confirmation.
    ///
    /// - Parameter resume: called once, from any thread: with true once the goal is reached, with false when the time is up.
    func wait(for goal: Goal, timeoutMilliseconds: Int, _ resume: @escaping @Sendable (Bool) -> Void) {
        let deadline = Clock.coarseMilliseconds + timeoutMilliseconds
        let isStopped = state.withLock { state in
            if !state.isStopped { state.waiters.append((goal, deadline, resume)) }
            return state.isStopped
        }
        if isStopped { return resume(false) }
        if case .confirmation = goal { wakeUp.signal() }
        resumeWaiters()
    }

    /// Ends all waits, and those that come, and wakes the loop.
    func stop() {
        defer { wakeUp.signal() }
        let waiters = state.withLock { state in
            state.isStopped = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(false) }
    }

    private func resumeWaiters() {
        let now = Clock.coarseMilliseconds
        let over = state.withLock { state in
            var over: [(isReached: Bool, resume: @Sendable (Bool) -> Void)] = []
            var waiting = state.waiters
            waiting.removeAll { waiter in
                let isReached = state.hasReached(waiter.goal)
                guard isReached || now >= waiter.deadline else { return false }
                over.append((isReached, waiter.resume))
                return true
            }
            state.waiters = waiting
            return over
        }
        for waiter in over { waiter.resume(waiter.isReached) }
    }
}

/// What makes one version later than another.
enum VersionOrder: String {
    /// A larger number of the same instance.
    case instance
    /// A larger number: etcd's revision. Each version has an instance of its own, the id of the PUT that set it.
    case revision
}

extension Version {
    /// Whether this is a later version of the same history.
    func follows(_ other: Version, in order: VersionOrder) -> Bool {
        (order == .revision || instance == other.instance) && number > other.number
    }
}
