import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import Synchronization

/// A PUT that the replica's source decides about.
struct PassedWrite: Sendable {
    let text: [UInt8]
    let conditions: Conditions
    /// How the request came to this server.
    let via: String
    /// The value of `Idempotency-Key`; nil if there is none.
    let idempotencyKey: String?
    /// For the log; nil if the change is not logged.
    let origin: RequestOrigin?
    let answer: @Sendable (AwaitedAnswer.Answer) -> Void
    /// For one try; a long text takes its time on a slow network.
    let tryTimeoutMilliseconds: Int
    let deadline: Int

    private static let tryTimeoutMilliseconds = 1000
    private static let timeoutMilliseconds = 5000

    init(_ text: [UInt8], _ pending: PendingRequest, _ answer: @escaping @Sendable (AwaitedAnswer.Answer) -> Void) {
        (self.text, self.answer) = (text, answer)
        conditions = pending.conditions
        via = pending.via
        idempotencyKey = pending.idempotencyKey
        origin = pending.origin
        let transfer = TimeLimits.milliseconds(for: text.count)
        tryTimeoutMilliseconds = Self.tryTimeoutMilliseconds + transfer
        deadline = Clock.coarseMilliseconds + Self.timeoutMilliseconds + transfer
    }

    var isDue: Bool { Clock.coarseMilliseconds >= deadline }

    /// Answers with 204 once the replica has adopted the version, or a later one.
    func answer(with version: Version, onceAdoptedBy replica: Replica, _ log: ServerLog) {
        if let origin { log.set(replica.name, version, byteCount: text.count, origin) }
        let left = max(0, deadline - Clock.coarseMilliseconds)
        replica.wait(for: .version(version, orConfirmationAfter: Clock.boottimeMilliseconds), timeoutMilliseconds: left)
        {
            answer($0 ? SetOutcome.set(version).answer : .problem(.setButNotSeen(version)))
        }
    }
}

/// The PUTs that wait to be passed on.
final class WriteQueue: Sendable {
    private let inbox = Mutex(Inbox())
    private let wakeUp: EventDescriptor

    private struct Inbox {
        var writes: [PassedWrite] = []
        var isStopped = false
    }

    private static let limit = 1000

    init() throws(SystemError) { wakeUp = try EventDescriptor() }

    func add(_ write: PassedWrite) {
        let isTaken = inbox.withLock { inbox in
            guard !inbox.isStopped, inbox.writes.count < Self.limit else { return false }
            inbox.writes.append(write)
            return true
        }
        if isTaken {
            wakeUp.signal()
        } else {
            write.answer(.problem(.unavailable("Too many PUTs wait to be passed on. Try again.")))
        }
    }

    /// Passes on the PUTs one after another until `end` is signalled, and answers all that are left then.
    func run(_ writer: any ReplicaWriter, _ log: ServerLog, until end: borrowing EventDescriptor) {
        repeat {
            for write in take() { writer.perform(write, log, until: end) }
        } while wakeUp.wait(orUntil: end)
        inbox.withLock { $0.isStopped = true }
        for write in take() { write.answer(.problem(.draining)) }
    }

    private func take() -> [PassedWrite] {
        inbox.withLock { inbox in
            defer { inbox.writes = [] }
            return inbox.writes
        }
    }
}

extension Problem {
    fileprivate static func setButNotSeen(_ version: Version) -> Problem {
        Problem(
            .outcomeUnknown,
            "The text was set as version \(version), but this server has yet to see it. Get the text to find out.",
            members: [("version", .text("\(version)"))], headers: [(.entityTag, EntityTag(version).quoted)])
    }

    static let loop = Problem(
        .loop, "The servers on the way follow each other, and none of them is the origin. Have one follow none.")

    static func notConfirmed(_ noun: String) -> Problem {
        .unavailable("\(noun) does not confirm the text in time. Try again, or get the text without Prefer.")
    }
}
