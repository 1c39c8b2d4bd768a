internal import CMicroHTTPD
internal import Glibc
import GnuTLS
import LinuxSystem
import Synchronization

/// One of libmicrohttpd's daemons, and the thread that runs it.
///
/// libmicrohttpd has threads of its own, but they take 128 events at a time and, if exactly that many have arrived, wait
/// for more before they serve any. When all clients are waiting for a response, nothing more arrives, and they wait
/// forever: 128 of them are enough. Run from outside, libmicrohttpd waits for nothing.
@safe final class EventLoop: @unchecked Sendable {
    private let daemon: OpaquePointer
    private let waker: Waker
    private let isStopping = Atomic(false)
    private let quiescence = Atomic(Quiescence.none)
    private let drains = Atomic(false)
    private let turns = Atomic(0)
    private let thread = Mutex<BackgroundThread?>(nil)

    private enum Quiescence: UInt8, AtomicRepresentable { case none, requested, complete }

    /// - Returns: nil if the operating system refuses what an event loop needs.
    init?(_ options: cmicrohttpd_options, isEncrypted: Bool, for owner: Daemon) {
        guard let waker = Waker(owner, isEncrypted: isEncrypted) else { return nil }
        var options = unsafe options
        unsafe options.object = Unmanaged.passUnretained(waker).toOpaque()
        let flags = MHD_USE_EPOLL.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
        let started = unsafe tlsPriorities.withCString { priorities in
            // libmicrohttpd makes its own of them.
            unsafe options.tls_priorities = isEncrypted ? priorities : nil
            return unsafe cmicrohttpd_start(flags, options)
        }
        guard let daemon = unsafe started else { return nil }
        unsafe self.daemon = daemon
        self.waker = waker
    }

    /// Begins to accept connections.
    func start() throws(SystemError) {
        let loop = unsafe Unmanaged.passUnretained(self)
        let started = try BackgroundThread(named: "sharedmem serve") {
            unsafe loop._withUnsafeGuaranteedRef { $0.run() }
        }
        thread.withLock { $0 = started }
    }

    private func run() {
        let handshakes = waker.handshakes
        let descriptors = [unsafe cmicrohttpd_epoll_descriptor(daemon), waker.event.descriptor]
        var polls = (descriptors + (handshakes.map { [$0.descriptor] } ?? [])).map {
            pollfd(fd: $0, events: CShort(POLLIN), revents: 0)
        }
        var runsWithoutRest = 0
        while !isStopping.load(ordering: .acquiring) {
            runsWithoutRest = hasWork ? runsWithoutRest + 1 : 0
            let mayRest = runsWithoutRest == 0 || runsWithoutRest > Self.maximumRunsWithoutRest
            waker.setDoesNotRest(mayRest && runsWithoutRest != 0)
            if mayRest {
                unsafe poll(&polls, nfds_t(polls.count), runsWithoutRest == 0 ? -1 : 1)
            }
            turns.add(1, ordering: .relaxed)
            waker.milliseconds = Clock.coarseMilliseconds
            if quiescence.load(ordering: .acquiring) == .requested { leaveListeningSocket() }
            // Cleared first: an event that is signaled from now on wakes the loop again.
            if polls[1].revents != 0 {
                waker.event.clear()
                waker.sendLastMessages()
            }
            handshakes?.resumeReady()
            var count: Int
            repeat {
                // If there was no room for another connection, only the run after a closing listens again.
                count = waker.closedCount
                unsafe MHD_run(daemon)
            } while waker.closedCount != count
            if drains.load(ordering: .relaxed) { waker.endIdle() }
        }
    }

    var turnCount: Int { turns.load(ordering: .relaxed) }

    func wake() { waker.event.signal() }

    /// From now on ends each connection on which no request is under way.
    func drain() {
        drains.store(true, ordering: .relaxed)
        wake()
    }

    /// A connection that libmicrohttpd has no room to read from counts as work until the watchdog ends it.
    ///
    /// No connection is busy for this long without an event, and one that awaits an event misses none.
    private static let maximumRunsWithoutRest = 10_000

    /// Whether there is something to do that no event will announce.
    private var hasWork: Bool {
        var milliseconds: UInt64 = 0
        return unsafe MHD_get_timeout(daemon, &milliseconds) == .YES && milliseconds == 0
    }

    /// Accepts no more connections, and leaves the listening socket to the caller.
    ///
    /// The loop's own thread does it: libmicrohttpd ends the process if the loop runs at the same moment.
    func quiesce() {
        guard thread.withLock({ $0 }) != nil else { return leaveListeningSocket() }
        _ = quiescence.compareExchange(expected: .none, desired: .requested, ordering: .releasing)
        waker.event.signal()
        while quiescence.load(ordering: .acquiring) != .complete { BackgroundThread.pause() }
    }

    private func leaveListeningSocket() {
        _ = unsafe MHD_quiesce_daemon(daemon)
        quiescence.store(.complete, ordering: .releasing)
    }

    /// Closes all connections and ends the thread.
    ///
    /// The owner calls it once, after ``quiesce()``: otherwise the listening socket is closed too.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        waker.event.signal()
        thread.withLock { $0 }?.join()
        waker.handshakes?.resumeAll()
        unsafe MHD_stop_daemon(daemon)
    }
}

/// The object that libmicrohttpd passes to the callbacks; it also wakes the loop for other threads.
@safe final class Waker: @unchecked Sendable {
    let event: EventDescriptor
    // The loop's thread alone uses these.
    /// The connections of the loop that have been closed.
    var closedCount = 0
    /// Nil without TLS.
    let handshakes: Handshakes?
    /// When the loop last began to work, in coarse milliseconds.
    var milliseconds = Clock.coarseMilliseconds
    private let owner: Unmanaged<Daemon>
    private let restlessness = Atomic(false)
    private let lastMessages = Mutex<[(connection: OpenConnection, message: [UInt8])]>([])

    /// Whether the loop has had work for so long that some of it must be a connection that cannot be read.
    var doesNotRest: Bool { restlessness.load(ordering: .relaxed) }

    fileprivate func setDoesNotRest(_ value: Bool) {
        if doesNotRest != value { restlessness.store(value, ordering: .relaxed) }
    }

    fileprivate init?(_ owner: Daemon, isEncrypted: Bool) {
        guard let event = try? EventDescriptor() else { return nil }
        self.event = event
        handshakes = isEncrypted ? Handshakes() : nil
        if isEncrypted, handshakes == nil { return nil }
        unsafe self.owner = Unmanaged.passUnretained(owner)
    }

    /// Has the loop's thread send the last message of a connection.
    func sendLast(_ message: [UInt8], on connection: OpenConnection) {
        lastMessages.withLock { $0.append((connection, message)) }
        event.signal()
    }

    /// For the loop's thread, between two runs: libmicrohttpd has then freed what belongs to closed connections.
    fileprivate func sendLastMessages() {
        let messages = lastMessages.withLock { messages in
            defer { messages = [] }
            return messages
        }
        for (connection, message) in messages { connection.sendLast(message) }
    }

    fileprivate func endIdle() { unsafe owner._withUnsafeGuaranteedRef { $0.endIdle(of: self) } }

    /// Finds the waker and its daemon from the object that a callback is passed.
    static func with<Result>(_ object: UnsafeMutableRawPointer, _ body: (Waker, Daemon) -> Result) -> Result {
        unsafe Unmanaged<Waker>.fromOpaque(object)._withUnsafeGuaranteedRef { waker in
            unsafe waker.owner._withUnsafeGuaranteedRef { body(waker, $0) }
        }
    }
}
