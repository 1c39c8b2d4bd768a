internal import Glibc
import LinuxSystem
import Synchronization

/// How long a client may take for each part of an exchange.
struct TimeLimits: Sendable {
    /// From connecting to the end of the first head.
    let headSeconds: Int
    /// For a body to come, and a second more for each ``bytesPerSecond`` of it.
    let bodySeconds: Int
    /// For an answer to be read, likewise.
    let sendSeconds: Int
    /// From an answer to the end of the next head.
    let idleSeconds: Int

    static let bytesPerSecond = 64 << 10
}

/// A connection as long as it is open, and until when it may do what it is doing.
///
/// MHD itself could only count the time without anything received or sent, and a byte now and then would hold a
/// connection for ever.
final class OpenConnection: Sendable {
    let descriptor: CInt
    /// Of the loop that serves it.
    let waker: Waker
    private let limits: TimeLimits
    /// Four times the coarse milliseconds, and a ``Phase``; negative once the connection was ended.
    private let deadline: Atomic<Int>
    /// What the deadline was when the client was first seen to send no more.
    private let deadlineWhenClosed = Atomic<Int>(.min)

    private enum Phase: Int { case awaitsHead, awaitsBody, answers, isHeld }

    init(_ descriptor: CInt, _ limits: TimeLimits, _ waker: Waker) {
        self.descriptor = descriptor
        self.waker = waker
        self.limits = limits
        deadline = Atomic(Self.deadline(.awaitsHead, limits.headSeconds))
    }

    private static func deadline(_ phase: Phase, _ seconds: Int, byteCount: Int = 0) -> Int {
        4 * (Clock.coarseMilliseconds + seconds * 1000 + milliseconds(for: byteCount)) + phase.rawValue
    }

    private static let never = Int.max & ~3 | Phase.isHeld.rawValue

    static func milliseconds(for byteCount: Int) -> Int { byteCount * 1000 / TimeLimits.bytesPerSecond }
}

// MARK: What the connection's own thread says of it

extension OpenConnection {
    func awaitBody() { deadline.store(Self.deadline(.awaitsBody, limits.bodySeconds), ordering: .relaxed) }

    func received(byteCount: Int) { deadline.add(4 * Self.milliseconds(for: byteCount), ordering: .relaxed) }

    /// - Returns: false when time was up before: the client knows that nothing came of its request.
    func bodyIsThere() -> Bool {
        deadline.exchange(Self.deadline(.answers, limits.sendSeconds), ordering: .relaxed) >= 0
    }

    func answer(byteCount: Int) {
        deadline.store(Self.deadline(.answers, limits.sendSeconds, byteCount: byteCount), ordering: .relaxed)
    }

    /// Others see to it that this ends.
    func isHeld() { deadline.store(Self.never, ordering: .relaxed) }

    func awaitHead() { deadline.store(Self.deadline(.awaitsHead, limits.idleSeconds), ordering: .relaxed) }
}

// MARK: What the watchdog does to it

/// MHD finds a connection ended, and closes it. Each only while the descriptor can not be closed.
extension OpenConnection {
    /// Ends the connection if its time is up.
    ///
    /// - Parameter answer: what a client is told whose body does not come: nothing else is being sent then.
    func endIfLate(now: Int, answer: [UInt8]) {
        let seen = deadline.load(ordering: .relaxed)
        if seen >= 0, seen >> 2 <= now { end(seen, answer) }
    }

    /// Ends the connection of a client that has sent a part of a request, and sends no more.
    ///
    /// MHD misses the end of what is sent where it comes together with the last bytes. They may yet be a whole request,
    /// which is to be answered: only who is seen here again, without any progress, has left.
    func endIfAbandoned() {
        let seen = deadline.load(ordering: .relaxed)
        guard seen >= 0, seen & 3 < Phase.answers.rawValue else { return }
        if deadlineWhenClosed.exchange(seen, ordering: .relaxed) == seen { end(seen, []) }
    }

    private func end(_ seen: Int, _ answer: [UInt8]) {
        // Lost to the connection's own thread, it is not late any more.
        guard deadline.compareExchange(expected: seen, desired: .min, ordering: .relaxed).exchanged else { return }
        if seen & 3 == Phase.awaitsBody.rawValue {
            _ = Socket.send(answer.span, to: descriptor)
        }
        Socket.shutDown(descriptor)
    }
}
