internal import Glibc
package import HTTPMessages
package import LinuxSystem
import Synchronization

/// Ends connections whose time is up or whose client has left: checks all once a second, and sleeps while there is none.
package final class Watchdog: Sendable {
    private let lateBody: Problem
    private let state = Mutex(State())
    private let event: EventDescriptor
    private let thread = Mutex<BackgroundThread?>(nil)

    private struct State {
        /// By descriptor; a connection is listed until just before it is closed.
        var connections: [CInt: OpenConnection] = [:]
        var isAwake = false
        var isStopping = false
    }

    /// - Parameter lateBody: what a client is told whose body takes too long.
    package init(lateBody: Problem) throws(SystemError) {
        self.lateBody = lateBody
        event = try EventDescriptor()
        let watchdog = unsafe Unmanaged.passUnretained(self)
        let started = try BackgroundThread(named: "sharedmem limit") {
            unsafe watchdog._withUnsafeGuaranteedRef { $0.run() }
        }
        thread.withLock { $0 = started }
    }

    deinit { stop() }

    func add(_ connection: OpenConnection) {
        let wasAwake = state.withLock { state in
            state.connections[connection.transport.descriptor] = connection
            defer { state.isAwake = true }
            return state.isAwake
        }
        if !wasAwake { event.signal() }
    }

    /// Once this has returned, the descriptor may be closed.
    func remove(_ descriptor: CInt) { state.withLock { _ = $0.connections.removeValue(forKey: descriptor) } }

    /// Ends the connections on which no request is under way.
    package func endIdle() { state.withLock { state in for each in state.connections.values { each.endIfIdle() } } }

    /// Ends the thread.
    package func stop() {
        state.withLock { $0.isStopping = true }
        event.signal()
        thread.withLock { $0 }?.join()
    }

    private func run() {
        while true {
            let (isAwake, isStopping) = state.withLock { state in
                endSome(state.connections)
                state.isAwake = !state.connections.isEmpty
                return (state.isAwake, state.isStopping)
            }
            if isStopping { return }
            event.wait(timeoutMilliseconds: isAwake ? 1000 : -1)
        }
    }

    private func endSome(_ connections: [CInt: OpenConnection]) {
        // POLLRDHUP, which Swift does not see: the other side has closed its sending half.
        let halfClosed: CShort = 0x2000
        var polls = connections.keys.map { pollfd(fd: $0, events: halfClosed, revents: 0) }
        unsafe poll(&polls, nfds_t(polls.count), 0)
        for poll in polls where poll.revents & halfClosed != 0 { connections[poll.fd]?.endIfAbandoned() }
        let now = Clock.coarseMilliseconds
        for connection in connections.values {
            connection.endIfLate(now: now) { lateBody.message() }
        }
    }
}
