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
    private let limits: TimeLimits
    /// The deadline in coarse milliseconds, times four, plus a ``Phase``; negative once the connection was ended.
    private let deadline = Atomic(0)
    /// The deadline at the time the client was first seen to have stopped sending.
    private let deadlineWhenHalfClosed = Atomic<Int>(.min)

    private enum Phase: Int { case awaitsHead, awaitsBody, responds, isHeld }

    init(_ transport: any Transport, _ limits: TimeLimits, _ waker: Waker, _ body: RequestBody) {
        self.transport = transport
        self.waker = waker
        self.body = body
        self.limits = limits
        setDeadline(.awaitsHead, limits.headSeconds)
    }

    private func setDeadline(_ phase: Phase, _ seconds: Int, byteCount: Int = 0) {
        let milliseconds = waker.milliseconds + seconds * 1000 + TimeLimits.milliseconds(for: byteCount)
        deadline.store(4 * milliseconds + phase.rawValue, ordering: .relaxed)
    }

    /// No deadline: others see to it that the phase ends.
    private static func never(_ phase: Phase) -> Int { Int.max & ~3 | phase.rawValue }
}

// MARK: Phases, entered by the connection's own thread

extension OpenConnection {
    func awaitHead() {
        body.clear()
        setDeadline(.awaitsHead, limits.idleSeconds)
    }

    func awaitBody(atMost limit: Int) {
        body.expect(atMost: limit)
        setDeadline(.awaitsBody, limits.bodySeconds)
    }

    /// - Returns: false if the client has sent more than enough.
    func receive(_ piece: RawSpan) -> Bool {
        deadline.add(4 * TimeLimits.milliseconds(for: piece.byteCount), ordering: .relaxed)
        return body.receive(piece)
    }

    /// Ends the wait for the body; a reply is about to follow.
    ///
    /// - Returns: false if the time was up before: the client has been told that its request had no effect.
    func finishBody() -> Bool { deadline.exchange(Self.never(.responds), ordering: .relaxed) >= 0 }

    func respond(byteCount: Int) { setDeadline(.responds, limits.sendSeconds, byteCount: byteCount) }

    func hold() { deadline.store(Self.never(.isHeld), ordering: .relaxed) }
}

// MARK: Ending, by the watchdog, while the descriptor cannot be closed

extension OpenConnection {
    /// Ends the connection if its time is up.
    ///
    /// - Parameter message: sent to a client whose body does not arrive; nothing else is being sent then.
    func endIfLate(now: Int, message: [UInt8]) {
        let seen = deadline.load(ordering: .relaxed)
        if seen >= 0, seen >> 2 <= now { end(seen, message) }
    }

    /// Ends the connection if its client has sent part of a request and will send no more.
    ///
    /// libmicrohttpd misses the end of a stream that arrives together with its last bytes. They may complete a request,
    /// which deserves a response: only a client that is seen here twice, without any progress in between, has left.
    func endIfAbandoned() {
        let seen = deadline.load(ordering: .relaxed)
        guard seen >= 0, seen & 3 < Phase.responds.rawValue else { return }
        if deadlineWhenHalfClosed.exchange(seen, ordering: .relaxed) == seen { end(seen, []) }
    }

    private func end(_ seen: Int, _ message: [UInt8]) {
        // If the connection's own thread gets in first, the client is no longer late.
        guard deadline.compareExchange(expected: seen, desired: .min, ordering: .relaxed).exchanged else { return }
        if seen & 3 == Phase.awaitsBody.rawValue { _ = try? transport.send(message.span) }
        transport.close()
    }
}
