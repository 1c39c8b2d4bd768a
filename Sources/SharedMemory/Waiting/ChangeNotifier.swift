import LinuxSystem
import Synchronization

/// Waits for the next publication, in the caller's thread, or in one thread for all callbacks of this attachment.
final class ChangeNotifier: Sendable {
    private let membership: Membership
    private let open: OpenFile
    /// When to look at the name next; coarse milliseconds.
    private let nextNameCheck = Atomic<Int>(0)
    private let state = Lock(State())

    fileprivate struct State: ~Copyable {
        var callbacks: [CallbackID: Callback] = [:]
        var lastID: UInt64 = 0
        /// Exists from the first callback until a second has passed without one.
        var thread: BackgroundThread?
        /// Whether the thread no longer uses the mapping and is about to end.
        var hasLeft = true
        var isStopping = false

        /// Whether the thread sleeps until it is woken.
        var sleepsPatiently = false

        /// Whether all callbacks permit that sleep.
        var isPatient: Bool { !callbacks.isEmpty && callbacks.values.allSatisfy(\.isPatient) }

        /// Removes and returns the callbacks of those versions.
        mutating func takeCallbacks(of isMeant: (Version) -> Bool) -> [@Sendable () -> Void] {
            let taken = callbacks.filter { isMeant($0.value.version) }
            for id in taken.keys { callbacks[id] = nil }
            return taken.values.map(\.call)
        }
    }

    fileprivate struct Callback {
        let version: Version
        /// Whether the thread may sleep until it is woken: then it misses the change of a writer that was killed before it
        /// woke anyone, up to the next change, and a name that was removed without a word.
        let isPatient: Bool
        let call: @Sendable () -> Void
    }

    init(_ membership: Membership, _ open: OpenFile) {
        self.membership = membership
        self.open = open
    }

    private func version(of current: PublicationWord) -> Version {
        Version(instance: membership.instance, number: current.number)
    }

    /// Whether `version` is the current one.
    ///
    /// - Throws: ``SegmentError/unlinked(name:)`` if it is, and no other version will come.
    func isCurrent(_ version: Version) throws(SegmentError) -> Bool {
        let (name, current) = look()
        guard self.version(of: current) == version else { return false }
        try name.get()
        return true
    }

    /// Looks at the name and only then at the publication: if the name is gone, that publication is the last one.
    private func look() -> (name: Result<Void, SegmentError>, current: PublicationWord) {
        let name = Result { () throws(SegmentError) in try checkName() }
        PausePoint.waitCheckedName.reached()
        return (name, membership.view.loadCurrent())
    }

    /// Checks that the name still leads to this segment, once a second or when the segment is retired.
    ///
    /// - Throws: ``SegmentError/unlinked(name:)`` if it does not.
    private func checkName() throws(SegmentError) {
        let now = Clock.coarseMilliseconds
        let isTold = membership.view.isRetired
        guard isTold || now >= nextNameCheck.load(ordering: .relaxed) else { return }
        guard try !open.hasLostName() else { throw .unlinked(name: open.file.name.description) }
        nextNameCheck.store(now + 1000, ordering: .relaxed)
    }

    /// The longest to sleep, in nanoseconds: not past the next look at the name, which any waiting thread may make.
    private var sleepLimit: Int {
        let milliseconds = nextNameCheck.load(ordering: .relaxed) - Clock.coarseMilliseconds
        return min(membership.sleepLimit, max(milliseconds, 1) * 1_000_000)
    }
}

/// The reason why a wait ended.
package enum WaitOutcome: Hashable {
    case replaced(by: Version)
    case timeIsUp
    /// The waiting thread has handled a signal.
    case interrupted
}

/// Identifies a callback, to cancel it.
package struct CallbackID: Hashable, Sendable { fileprivate let number: UInt64 }

extension ChangeNotifier {
    /// Sleeps until the current version differs from `version`.
    ///
    /// - Parameter deadline: nanoseconds on the monotonic clock; nil waits without a limit.
    func wait(after version: Version, until deadline: Int?) throws(SegmentError) -> WaitOutcome {
        while true {
            let (name, current) = look()
            let latest = self.version(of: current)
            if latest != version { return .replaced(by: latest) }
            try name.get()
            var limit = sleepLimit
            if let deadline { limit = min(limit, deadline - Clock.monotonicNanoseconds) }
            if limit <= 0 { return .timeIsUp }
            if try membership.sleep(while: current, nanoseconds: limit) == .interrupted { return .interrupted }
        }
    }

    // MARK: Callbacks

    /// Adds a callback and takes it out, for ``Rehearsal``.
    static func rehearse() {
        var state = State()
        state.callbacks[CallbackID(number: 0)] = Callback(version: Version(instance: 0, number: 0), isPatient: false) {}
        _ = state.takeCallbacks { _ in true }
    }

    /// Calls `call` once, when the current version differs from `version` or the segment is unlinked.
    ///
    /// - Returns: nil if the version differs already; then `call` is never called.
    /// - Throws: ``SegmentError/system(call:code:)`` if the system has no thread left.
    func onReplacement(
        of version: Version, isPatient: Bool = false, _ call: @escaping @Sendable () -> Void
    ) throws(SegmentError) -> CallbackID? {
        // It looks by itself from now on; it may be just about to fall asleep.
        defer { while !isPatient, state.withLock({ $0.sleepsPatiently }) { wake() } }
        return try state.withLock { state throws(SegmentError) in
            // The thread may have looked before the callback was added: this look sees what the thread missed.
            guard self.version(of: membership.view.loadCurrent()) == version else { return nil }
            try startThread(&state)
            state.lastID += 1
            let id = CallbackID(number: state.lastID)
            state.callbacks[id] = Callback(version: version, isPatient: isPatient, call: call)
            return id
        }
    }

    /// Cancels a callback, unless it was called already or is about to be.
    func cancel(_ id: CallbackID) { _ = state.withLock { $0.callbacks.removeValue(forKey: id) } }

    private func startThread(_ state: inout State) throws(SegmentError) {
        guard state.hasLeft else { return }
        state.thread?.join()
        state.thread = nil
        state.thread = try fromSystem(BackgroundThread(named: "sharedmem wait") { [self] in run() })
        state.hasLeft = false
    }

    private func run() {
        var lastNeeded = Clock.coarseMilliseconds
        // Once told to stop, the thread does not even look at the segment: a callback may have ended its attachment.
        while !state.withLock({ $0.isStopping }) {
            let (name, current) = look()
            let latest = version(of: current)
            let isGone = (try? name.get()) == nil
            let now = Clock.coarseMilliseconds
            let (calls, isNeeded, isPatient) = state.withLock { state in
                if !state.callbacks.isEmpty { lastNeeded = now }
                state.hasLeft = now - lastNeeded >= 1000
                let calls = state.takeCallbacks { isGone || $0 != latest }
                state.sleepsPatiently = calls.isEmpty && state.isPatient
                return (calls, !state.hasLeft, state.sleepsPatiently)
            }
            guard isNeeded else { return }
            if calls.isEmpty {
                // If the name is gone, there is no more reason to look at it.
                let limit = isPatient ? .max : isGone ? membership.sleepLimit : sleepLimit
                // A thread that cannot sleep must not spin either.
                if (try? membership.sleep(while: current, nanoseconds: limit)) == nil { BackgroundThread.pause() }
            }
            for call in calls { call() }
        }
        state.withLock { $0.hasLeft = true }
    }

    /// Ends the thread; when this has returned, the mapping may go.
    func stop() {
        let thread = state.withLock { state in
            state.isStopping = true
            return state.thread
        }
        // Called back from the thread itself, it ends when the callback returns.
        guard let thread, !thread.isCurrent else { return }
        while !state.withLock({ $0.hasLeft }) { wake() }
        thread.join()
    }

    private func wake() {
        membership.view.wakeSleepers()
        BackgroundThread.pause()
    }
}
