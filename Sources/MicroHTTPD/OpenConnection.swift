import LinuxSystem
import Synchronization

/// How long a client may take for each part of an exchange.
package struct TimeLimits: Sendable {
    /// From connecting to the end of the first head.
    let headSeconds: Int
    /// For the body to arrive, plus a second for each ``bytesPerSecond`` of it.
    let bodySeconds: Int
    /// For the client to read a response, plus a second for each ``bytesPerSecond`` of it.
    let sendSeconds: Int
    /// From a response to the end of the next head.
    let idleSeconds: Int

    package init(headSeconds: Int, bodySeconds: Int, sendSeconds: Int, idleSeconds: Int) {
        self.headSeconds = headSeconds
        self.bodySeconds = bodySeconds
        self.sendSeconds = sendSeconds
        self.idleSeconds = idleSeconds
    }

    private static let bytesPerSecond = 64 << 10

    /// The time that a client on a slow network may take for so many bytes.
    package static func milliseconds(for byteCount: Int) -> Int { byteCount * 1000 / bytesPerSecond }
}

/// A connection while it is open, and the deadline for what it is doing.
///
/// libmicrohttpd could only measure the time in which nothing is received or sent: a byte now and then would hold a
/// connection forever.
final class OpenConnection: Sendable {
    let transport: any Transport
    /// Wakes the loop that serves the connection.
    let waker: Waker
    let body: RequestBody
    /// When the head of the request arrived, on the monotonic clock; 0 if the request was held.
    let startNanoseconds = Atomic(0)
    /// Fields for the response to the request that is under way, beyond those that the resource gives it.
    private let fields = Mutex<[ResponseField]>([])
    private let hasFields = Atomic(false)
    private let limits: TimeLimits
    private let state: ConnectionState
    /// The state in which the client was first seen to have stopped sending.
    private let stateWhenHalfClosed = Mutex<ConnectionState.Seen?>(nil)
    /// The state in which the watchdog last found it unread.
    private let stateWhenUnread = Mutex<ConnectionState.Seen?>(nil)
    /// Whether the last request ended before its head was handled.
    private let endedWithinHead = Atomic(false)

    init(_ transport: any Transport, _ limits: TimeLimits, _ waker: Waker, _ body: RequestBody) {
        self.transport = transport
        self.waker = waker
        self.body = body
        self.limits = limits
        state = ConnectionState(.awaitsHead, until: waker.milliseconds + limits.headSeconds * 1000)
    }

    /// How long to read what a client sends after its last response.
    ///
    /// If the connection were closed while the client is sending, its system would throw the response away.
    static let discardMilliseconds = 10_000
}

// MARK: Phases, entered by the connection's own thread
//
// Those that return a Boolean return false if its last response was sent or it has ended: then the request has no effect.

extension OpenConnection {
    var responseFields: [ResponseField] {
        get { hasFields.load(ordering: .relaxed) ? fields.withLock { $0 } : [] }
        set {
            fields.withLock { $0 = newValue }
            hasFields.store(!newValue.isEmpty, ordering: .relaxed)
        }
    }

    /// - Parameter wasHandled: false if libmicrohttpd has refused the last request itself.
    func awaitHead(afterHandledRequest wasHandled: Bool) {
        body.clear()
        if hasFields.load(ordering: .relaxed) { responseFields = [] }
        endedWithinHead.store(!wasHandled, ordering: .relaxed)
        _ = state.enter(.awaitsHead, until: waker.milliseconds + limits.idleSeconds * 1000)
    }

    func awaitBody(atMost limit: Int) -> Bool {
        body.expect(atMost: limit)
        return state.enter(.awaitsBody, until: waker.milliseconds + limits.bodySeconds * 1000)
    }

    /// - Returns: false if the client has sent more than enough.
    func receive(_ piece: RawSpan) -> Bool {
        guard state.seen.phase == .awaitsBody else { return true }
        state.extend(by: TimeLimits.milliseconds(for: piece.byteCount))
        return body.receive(piece)
    }

    /// The request has arrived; a reply follows at once.
    func beginReply() -> Bool { state.enter(.responds) }

    func respond(byteCount: Int) -> Bool {
        let milliseconds = limits.sendSeconds * 1000 + TimeLimits.milliseconds(for: byteCount)
        return state.enter(.responds, until: waker.milliseconds + milliseconds)
    }

    func hold() -> Bool { state.enter(.isHeld) }

    /// Sends the last response while the client may still be sending, and reads on for a while.
    func finish(with message: [UInt8]) -> Bool {
        body.clear()
        guard state.enter(.discards, until: waker.milliseconds + Self.discardMilliseconds) else { return false }
        sendLast(message)
        return true
    }

    func sendLast(_ message: [UInt8]) {
        // It fits into the socket's buffer, which is empty.
        _ = try? transport.send(message.span)
        transport.finishSending()
    }
}

extension OpenConnection {
    /// Whether the connection may still carry a request or a response.
    var isUsable: Bool { state.seen.phase.isOpen }

    /// Whether the connection is being closed by libmicrohttpd, with a refusal, while the client is still sending.
    var isRefused: Bool {
        guard state.seen.phase != .hasEnded, let hasUnreadInput = Socket.hasUnreadInput(transport.descriptor)
        else { return false }
        return hasUnreadInput || endedWithinHead.load(ordering: .relaxed)
    }
}

// MARK: Ending, by the watchdog, while the descriptor cannot be closed

extension OpenConnection {
    /// Ends the connection if its time is up.
    ///
    /// - Parameter message: sent to a client whose body does not arrive; nothing else is being sent then.
    func endIfLate(now: Int, message: () -> [UInt8]) {
        let seen = state.seen
        guard seen.phase != .hasEnded, seen.deadline <= now else { return }
        guard seen.phase == .awaitsBody else { return end(seen) }
        if state.enter(.discards, until: now + Self.discardMilliseconds, from: seen) { haveSentLast(message()) }
    }

    /// Ends the connection if its client has sent part of a request and will send no more.
    ///
    /// libmicrohttpd misses the end of a stream that arrives together with its last bytes. They may complete a request,
    /// which deserves a response: only a client that is seen here twice, without any progress in between, has left.
    func endIfAbandoned() {
        let seen = state.seen
        guard [.awaitsHead, .awaitsBody, .discards].contains(seen.phase) else { return }
        let before = stateWhenHalfClosed.withLock { before in
            defer { before = seen }
            return before
        }
        if before == seen { end(seen) }
    }

    /// Ends the connection if libmicrohttpd has no room to read on: the first line of a chunk is too long.
    ///
    /// Its loop does not rest then, and reads what it can: what is unread twice, without any progress in between, is not read.
    /// Over TLS it may all be in GnuTLS, where nothing shows it to this thread: then the deadline of the body ends it.
    ///
    /// - Parameter message: sent to a client that has no response yet.
    func endIfStuck(isUnread: Bool, now: Int, message: () -> [UInt8]) {
        let seen = state.seen
        let isUnread = isUnread && waker.doesNotRest && [.awaitsBody, .discards].contains(seen.phase)
        let before = stateWhenUnread.withLock { before in
            defer { before = isUnread ? seen : nil }
            return before
        }
        guard isUnread, before == seen else { return }
        guard seen.phase == .awaitsBody else { return end(seen) }
        // Not for longer: the loop goes on without rest until the connection ends.
        if state.enter(.discards, until: now + 1000, from: seen) { haveSentLast(message()) }
    }

    private func haveSentLast(_ message: [UInt8]) {
        if transport.isForOneThread { waker.sendLast(message, on: self) } else { sendLast(message) }
    }

    /// Ends the connection if no request is under way, or has arrived and waits to be read.
    func endIfIdle() {
        let seen = state.seen
        if seen.phase == .awaitsHead, Socket.hasUnreadInput(transport.descriptor) != true { end(seen) }
    }

    private func end(_ seen: ConnectionState.Seen) {
        // If the connection's own thread gets in first, the client is no longer late.
        if state.enter(.hasEnded, until: 0, from: seen) { transport.close() }
    }
}
