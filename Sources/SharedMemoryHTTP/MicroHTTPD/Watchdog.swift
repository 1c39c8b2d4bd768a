internal import Glibc
import LinuxSystem
import SharedMemory
import Synchronization

/// Ends the connections whose time is up, or whose client has left: looks at all of them once a second, and sleeps while
/// there are none.
final class Watchdog: Sendable {
    private let answer: [UInt8]
    private let state = Mutex(State())
    private let bell: EventDescriptor

    private struct State: ~Copyable {
        /// By descriptor: each is here until just before it is closed.
        var connections: [CInt: OpenConnection] = [:]
        var isAwake = false
        var isStopping = false
        var thread: BackgroundThread?
    }

    /// - Parameter answer: what a client is told whose body takes too long.
    /// - Throws: what the system says.
    init(answer: [UInt8]) throws(SystemError) {
        self.answer = answer
        bell = try EventDescriptor()
        let watchdog = unsafe Unmanaged.passUnretained(self)
        let thread = try BackgroundThread(named: "sharedmem limit") {
            unsafe watchdog._withUnsafeGuaranteedRef { $0.run() }
        }
        state.withLock { $0.thread = thread }
    }

    deinit { stop() }

    func add(_ connection: OpenConnection) {
        let wasAwake = state.withLock { state in
            state.connections[connection.descriptor] = connection
            defer { state.isAwake = true }
            return state.isAwake
        }
        if !wasAwake { bell.signal() }
    }

    /// Once this has returned, the descriptor may be closed.
    func remove(_ descriptor: CInt) { state.withLock { _ = $0.connections.removeValue(forKey: descriptor) } }

    /// Ends the thread.
    func stop() {
        let thread = state.withLock { state in
            state.isStopping = true
            defer { state.thread = nil }
            return state.thread
        }
        guard let thread else { return }
        bell.signal()
        thread.join()
    }

    private func run() {
        while true {
            let (isAwake, isStopping) = state.withLock { state in
                endSome(state.connections)
                state.isAwake = !state.connections.isEmpty
                return (state.isAwake, state.isStopping)
            }
            if isStopping { return }
            bell.wait(timeoutMilliseconds: isAwake ? 1000 : -1)
        }
    }
}

extension Watchdog {
    private func endSome(_ connections: [CInt: OpenConnection]) {
        // POLLRDHUP, which Swift does not see: the other side has closed its sending half.
        let closedHalf: CShort = 0x2000
        var polls = connections.keys.map { pollfd(fd: $0, events: closedHalf, revents: 0) }
        unsafe poll(&polls, nfds_t(polls.count), 0)
        for poll in polls where poll.revents & closedHalf != 0 { connections[poll.fd]?.endIfAbandoned() }
        let now = Clock.coarseMilliseconds
        for connection in connections.values { connection.endIfLate(now: now, answer: answer) }
    }
}
