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
        var lingering: [Lingering] = []
        var isAwake = false
        var isStopping = false

        /// Keeps a connection open for a while, unless there are many, which are beyond the limit of connections.
        mutating func linger(_ connection: Lingering) {
            if !isStopping, lingering.count < 64 { lingering.append(connection) }
        }
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
    ///
    /// - Parameter isLingering: whether to read for a while what the client still sends.
    func remove(_ descriptor: CInt, lingering isLingering: Bool) {
        // Outside of the lock, because it reads.
        var lingering: Lingering?
        if isLingering, let socket = try? Socket(duplicating: descriptor) { lingering = Lingering(socket) }
        state.withLock { [lingering] state in
            state.connections[descriptor] = nil
            if let lingering { state.linger(lingering) }
        }
    }

    /// Refuses a connection that libmicrohttpd knows nothing of, and takes over its descriptor.
    ///
    /// A client that has not sent its request yet gets no answer: it could mistake one for the answer to an earlier request.
    package func turnAway(_ descriptor: CInt, _ answer: (ReceivedHead) -> Reply) {
        let lingering = Lingering(Socket(owning: descriptor)) { received in
            guard let head = ReceivedHead(received), case .last(_, let message) = answer(head) else { return [] }
            return message
        }
        state.withLock { $0.linger(lingering) }
    }

    /// The number of open connections.
    package var connectionCount: Int { state.withLock { $0.connections.count } }

    /// The number of connections that may still carry a request or a response.
    package var usableCount: Int { state.withLock { $0.connections.values.count { $0.isUsable } } }

    /// Ends the connections of a loop on which no request is under way.
    ///
    /// The loop's own thread calls it between two runs: it has handled then whatever it has received.
    func endIdle(of waker: Waker) {
        state.withLock { for each in $0.connections.values where each.waker === waker { each.endIfIdle() } }
    }

    /// Ends the thread.
    package func stop() {
        state.withLock { $0.isStopping = true }
        event.signal()
        thread.withLock { $0 }?.join()
    }

    private func run() {
        while true {
            let ended = state.withLock { $0.lingering }.filter { $0.hasEnded() }
            let (isAwake, isStopping) = state.withLock { state in
                endSome(state.connections)
                state.lingering.removeAll { lingering in ended.contains { $0 === lingering } }
                state.isAwake = !state.connections.isEmpty || !state.lingering.isEmpty
                return (state.isAwake, state.isStopping)
            }
            if isStopping { return }
            event.wait(timeoutMilliseconds: isAwake ? 1000 : -1)
        }
    }

    private func endSome(_ connections: [CInt: OpenConnection]) {
        // POLLRDHUP, which Swift does not see: the other side has closed its sending half.
        let halfClosed: CShort = 0x2000
        var polls = connections.keys.map { pollfd(fd: $0, events: halfClosed | CShort(POLLIN), revents: 0) }
        unsafe poll(&polls, nfds_t(polls.count), 0)
        let now = Clock.coarseMilliseconds
        for poll in polls {
            guard let connection = connections[poll.fd] else { continue }
            if poll.revents & halfClosed != 0 { connection.endIfAbandoned() }
            connection.endIfStuck(isUnread: poll.revents & CShort(POLLIN) != 0, now: now) {
                Problem.longChunkLine.message()
            }
            connection.endIfLate(now: now) { lateBody.message() }
        }
    }
}

/// A connection that libmicrohttpd does not have: what its client still sends is read and ignored for a while.
private final class Lingering: Sendable {
    private let socket: Socket
    private let deadline = Clock.coarseMilliseconds + OpenConnection.discardMilliseconds
    private static let receiveLimit = 64 << 10

    /// - Parameter answer: shown what has arrived, returns the last thing to send.
    init(_ socket: consuming Socket, answer: (Span<UInt8>) -> [UInt8] = { _ in [] }) {
        self.socket = socket
        let received = (try? Socket.receive(from: self.socket.descriptor, limit: Self.receiveLimit)) ?? []
        // What is unread when the process ends would undo the message.
        _ = hasEnded()
        _ = Socket.send(answer(received.span).span, to: self.socket.descriptor)
        Socket.finishSending(self.socket.descriptor)
    }

    /// Reads what has arrived.
    func hasEnded() -> Bool {
        guard Clock.coarseMilliseconds < deadline else { return true }
        for _ in 0..<64 {
            do throws(SystemError) {
                if try Socket.receive(from: socket.descriptor, limit: Self.receiveLimit).isEmpty { return true }
            } catch {
                return error.code != EAGAIN
            }
        }
        return false
    }
}
