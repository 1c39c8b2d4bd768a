import LinuxSystem
import Synchronization

/// Waits for the next publication: in the caller's own thread, or in one thread for all of a process's callbacks.
final class ChangeNotifier: Sendable {
    private let membership: Membership
    private let file: SegmentFile
    private let identity: FileIdentity
    /// When to look again whether the name leads to this segment; coarse milliseconds.
    private let nextNameCheck = Atomic<Int>(0)
    private let state = Mutex(State())

    fileprivate struct State: ~Copyable {
        var callbacks: [CallbackID: Callback] = [:]
        var lastID: UInt64 = 0
        /// There from the first callback until a second without any has passed.
        var thread: BackgroundThread?
        /// The thread is done with the mapping and about to end.
        var hasLeft = true
        var isStopping = false
    }

    fileprivate struct Callback {
        let version: Version
        let call: @Sendable () -> Void
    }

    init(_ membership: Membership, _ file: SegmentFile, _ identity: FileIdentity) {
        self.membership = membership
        self.file = file
        self.identity = identity
    }

    private func version(of current: PublicationWord) -> Version {
        Version(instance: membership.instance, number: current.number)
    }

    /// Whether `version` is the present one.
    ///
    /// - Throws: ``SegmentError/unlinked(name:)`` when it is, and no other will come.
    func isCurrent(_ version: Version) throws(SegmentError) -> Bool {
        let (name, current) = look()
        guard self.version(of: current) == version else { return false }
        try name.get()
        return true
    }

    /// Looks at the name and only then at the text: where the name is gone, that is the last one.
    private func look() -> (name: Result<Void, SegmentError>, current: PublicationWord) {
        let name = Result { () throws(SegmentError) in try checkName() }
        PausePoint.waitCheckedName.reached()
        return (name, membership.view.loadCurrent())
    }

    /// Looks, once a second or when told to, whether the name still leads to this segment.
    ///
    /// - Throws: ``SegmentError/unlinked(name:)`` when it does not.
    private func checkName() throws(SegmentError) {
        let now = Clock.coarseMilliseconds
        let isTold = membership.view.header.state.retired.load(ordering: .relaxed) != 0
        guard isTold || now >= nextNameCheck.load(ordering: .relaxed) else { return }
        guard try file.leads(to: identity) else { throw .unlinked(name: file.name.description) }
        nextNameCheck.store(now + 1000, ordering: .relaxed)
    }

    /// For how many nanoseconds to sleep at most: not past the next look at the name, which another thread may be due
    /// to have.
    private var sleepLimit: Int {
        let milliseconds = nextNameCheck.load(ordering: .relaxed) - Clock.coarseMilliseconds
        return min(membership.sleepLimit, max(milliseconds, 1) * 1_000_000)
    }
}

// MARK: Waiting in the caller's thread

/// How waiting ends.
package enum WaitOutcome: Hashable {
    case replaced(by: Version)
    case timeIsUp
    /// This thread has handled a signal.
    case interrupted
}

extension ChangeNotifier {
    /// Sleeps until the present version is another than `version`.
    ///
    /// - Parameter deadline: on the monotonic clock; nil for none.
    func wait(after version: Version, until deadline: Int?) throws(SegmentError) -> WaitOutcome {
        while true {
            let (name, current) = look()
            let present = self.version(of: current)
            if present != version { return .replaced(by: present) }
            try name.get()
            var limit = sleepLimit
            if let deadline { limit = min(limit, deadline - Clock.monotonicNanoseconds) }
            if limit <= 0 { return .timeIsUp }
            if try membership.sleep(while: current, nanoseconds: limit) == .interrupted { return .interrupted }
        }
    }
}

// MARK: Being called

/// What undoes a callback.
package struct CallbackID: Hashable, Sendable {
    fileprivate let number: UInt64
}

extension ChangeNotifier {
    /// Has `call` be called once: when the present version is another than `version`, or the segment is unlinked.
    ///
    /// - Parameter call: in a thread of this library; others wait behind it.
    /// - Returns: nil when it is another already; then nothing is called.
    /// - Throws: ``SegmentError/system(call:code:)`` when there is no thread to be had.
    func onReplacement(of version: Version, _ call: @escaping @Sendable () -> Void) throws(SegmentError) -> CallbackID?
    {
        try state.withLock { state throws(SegmentError) in
            // Who adds a callback looks after the thread may have: what it misses, this sees.
            guard self.version(of: membership.view.loadCurrent()) == version else { return nil }
            try startThread(&state)
            state.lastID += 1
            let id = CallbackID(number: state.lastID)
            state.callbacks[id] = Callback(version: version, call: call)
            return id
        }
    }

    /// Undoes that.
    ///
    /// - Returns: false when it has been called, or is about to be.
    @discardableResult
    func cancel(_ id: CallbackID) -> Bool { state.withLock { $0.callbacks.removeValue(forKey: id) } != nil }

    private func startThread(_ state: inout State) throws(SegmentError) {
        guard state.hasLeft else { return }
        state.thread?.join()
        state.thread = nil
        state.thread = try fromSystem(BackgroundThread(named: "sharedmem wait") { [self] in run() })
        state.hasLeft = false
    }

    private func run() {
        var lastNeeded = Clock.coarseMilliseconds
        // Not even a look at the segment once it is told to stop: a call may have been what ended its attachment.
        while !state.withLock({ $0.isStopping }) {
            let (name, current) = look()
            let present = version(of: current)
            let isGone = (try? name.get()) == nil
            let now = Clock.coarseMilliseconds
            let (calls, isNeeded) = state.withLock { state in
                if !state.callbacks.isEmpty { lastNeeded = now }
                state.hasLeft = now - lastNeeded >= 1000
                return (state.takeCallbacks { isGone || $0 != present }, !state.hasLeft)
            }
            guard isNeeded else { return }
            // Of a name that is gone there is no more to be seen.
            if calls.isEmpty { sleep(while: current, nanoseconds: isGone ? membership.sleepLimit : sleepLimit) }
            for call in calls { call() }
        }
        state.withLock { $0.hasLeft = true }
    }

    private func sleep(while current: PublicationWord, nanoseconds: Int) {
        do throws(SegmentError) {
            _ = try membership.sleep(while: current, nanoseconds: nanoseconds)
        } catch {
            // What keeps a thread from sleeping must not have it spin.
            BackgroundThread.pause()
        }
    }

    /// Ends the thread; from now on the mapping may go.
    func stop() {
        let thread = state.withLock { state in
            state.isStopping = true
            defer { state.thread = nil }
            return state.thread
        }
        guard let thread else { return }
        if thread.isCurrent { return thread.detach() }
        while !state.withLock({ $0.hasLeft }) {
            membership.view.wakeSleepers()
            BackgroundThread.pause()
        }
        thread.join()
    }
}

extension ChangeNotifier.State {
    /// Removes and returns the callbacks of those versions.
    fileprivate mutating func takeCallbacks(of isMeant: (Version) -> Bool) -> [@Sendable () -> Void] {
        let taken = callbacks.filter { isMeant($0.value.version) }
        for id in taken.keys { callbacks[id] = nil }
        return taken.values.map(\.call)
    }
}
