internal import CMicroHTTPD
internal import Glibc
import LinuxSystem
import SharedMemory
import Synchronization

/// One of MHD's daemons, and the thread that runs it.
///
/// MHD has threads of its own, but they take 128 events at a time, and where exactly as many have come, they wait for
/// more before they serve any. When all clients wait for an answer, nothing more comes, and they wait for ever: 128 of
/// them are enough. Run from outside, MHD waits for nothing.
@safe final class EventLoop: @unchecked Sendable {
    private let daemon: OpaquePointer
    private let waker: Waker
    private let isStopping = Atomic(false)
    private let thread = Mutex<BackgroundThread?>(nil)

    /// - Returns: nil when the operating system refuses what an event loop needs.
    init?(_ options: cmicrohttpd_options, for owner: Daemon) {
        guard let waker = Waker(owner) else { return nil }
        var options = unsafe options
        unsafe options.object = Unmanaged.passUnretained(waker).toOpaque()
        let flags = MHD_USE_EPOLL.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
        guard let daemon = unsafe cmicrohttpd_start(flags, options) else { return nil }
        unsafe self.daemon = daemon
        self.waker = waker
        let loop = unsafe Unmanaged.passUnretained(self)
        let started = try? BackgroundThread(named: "sharedmem serve") {
            unsafe loop._withUnsafeGuaranteedRef { $0.run() }
        }
        guard let started else {
            // Quiesced, it leaves the socket to the caller.
            _ = unsafe MHD_quiesce_daemon(daemon)
            unsafe MHD_stop_daemon(daemon)
            return nil
        }
        thread.withLock { $0 = started }
    }

    deinit { stop() }

    private func run() {
        var polled = [unsafe cmicrohttpd_epoll_descriptor(daemon), waker.bell.descriptor].map {
            pollfd(fd: $0, events: CShort(POLLIN), revents: 0)
        }
        var runsWithoutRest = 0
        while !isStopping.load(ordering: .acquiring) {
            runsWithoutRest = hasWork ? runsWithoutRest + 1 : 0
            if runsWithoutRest == 0 {
                unsafe poll(&polled, nfds_t(polled.count), -1)
            } else if runsWithoutRest > Self.mostRunsWithoutRest {
                unsafe poll(&polled, nfds_t(polled.count), 1)
            }
            // Silenced first: what it rings for from now on, it rings for again.
            if polled[1].revents != 0 { waker.bell.clear() }
            var count: UInt32
            repeat {
                // Where there was no room for another connection, only the next run listens again.
                count = unsafe cmicrohttpd_connection_count(daemon)
                unsafe MHD_run(daemon)
            } while unsafe cmicrohttpd_connection_count(daemon) < count
        }
    }

    /// A connection that MHD has no room to read on from counts as work until it is ended: nobody can be busy for so long
    /// without an event, and who waits for one misses none.
    private static let mostRunsWithoutRest = 10_000

    /// Whether there is something to do that no event will tell of.
    private var hasWork: Bool {
        var milliseconds: UInt64 = 0
        return unsafe MHD_get_timeout(daemon, &milliseconds) == .YES && milliseconds == 0
    }

    /// Accepts no more connections; those that are there go on.
    ///
    /// The socket is the caller's again.
    func quiesce() {
        _ = unsafe MHD_quiesce_daemon(daemon)
        waker.bell.signal()
    }

    /// Closes what connections there are and ends the thread.
    ///
    /// Quiesce first, or the socket is closed too.
    func stop() {
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let running else { return }
        isStopping.store(true, ordering: .releasing)
        waker.bell.signal()
        running.join()
        unsafe MHD_stop_daemon(daemon)
    }
}

/// What MHD's callbacks, and a connection that another thread lets go, know of their loop.
@safe final class Waker: @unchecked Sendable {
    let bell: EventDescriptor
    private let owner: Unmanaged<Daemon>

    fileprivate init?(_ owner: Daemon) {
        guard let bell = try? EventDescriptor() else { return nil }
        self.bell = bell
        unsafe self.owner = Unmanaged.passUnretained(owner)
    }

    /// Uses what MHD was given as the callbacks' object.
    static func with<Result>(_ object: UnsafeMutableRawPointer, _ body: (Waker, Daemon) -> Result) -> Result {
        unsafe Unmanaged<Waker>.fromOpaque(object)._withUnsafeGuaranteedRef { waker in
            unsafe waker.owner._withUnsafeGuaranteedRef { body(waker, $0) }
        }
    }
}
