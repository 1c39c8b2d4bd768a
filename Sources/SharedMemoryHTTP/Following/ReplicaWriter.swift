import Etcd
import HTTPMessages
import LinuxSystem
import SharedMemory

/// Sets text at a replica's source.
///
/// Each PUT replaces one version, its base, and nothing else, whatever the client's conditions. So a try without an answer can be
/// repeated at the next server: it never overwrites what another writer has set in between. For one thread.
protocol ReplicaWriter: AnyObject {
    var replica: Replica { get }
    /// What answers to clients call the source, as the first word of a sentence.
    var noun: String { get }
    /// Whether the source tells by `Idempotency-Key` what became of a PUT.
    var knowsKeys: Bool { get }

    /// The version that the text is to replace.
    ///
    /// - Throws: the answer to the client, if nothing can be set.
    func base(for write: PassedWrite) throws(Problem) -> WriteBase

    /// Sends a PUT once.
    func send(_ write: PassedWrite, _ attempt: WriteAttempt) -> WriteVerdict
}

/// A version that a PUT replaces.
struct WriteBase {
    let version: Version
    /// In etcd, whatever replaces the version comes after this revision.
    let revision: UInt64

    init(_ version: Version, revision: UInt64? = nil) {
        (self.version, self.revision) = (version, revision ?? version.number)
    }
}

/// A PUT on its way through the servers.
struct WriteAttempt {
    /// The value of `Idempotency-Key`: the same for each try.
    let key: String
    var base: WriteBase
    /// How many servers after the current one is asked.
    var offset = 0
    /// Whether a try may have been carried out, or may yet be.
    var isOpen: Bool
}

/// What the answer to a try decides.
enum WriteVerdict {
    case set(Version)
    /// No try has replaced the base, and none will, because another version has.
    case notSet(current: WriteBase)
    /// This try has done nothing, and no other would.
    case refused(AwaitedAnswer.Answer)
    /// The request did not reach the server.
    case unsent
    /// It may have been carried out, or may yet be.
    case open
    /// The outcome of the tries can no longer be found out.
    case undecidable
}

extension ReplicaWriter {
    /// Passes on a PUT, and answers it.
    ///
    /// - Parameter end: once it is signalled, no further try begins.
    func perform(_ write: PassedWrite, _ log: ServerLog, until end: borrowing EventDescriptor) {
        do throws(Problem) {
            let attempt = WriteAttempt(
                key: write.idempotencyKey ?? UInt64.random(in: 1 ... .max).writeID, base: try base(for: write),
                // A client that names a key may have sent the PUT before.
                isOpen: write.idempotencyKey != nil)
            try perform(write, attempt, log, until: end)
        } catch {
            write.answer(.problem(error))
        }
    }

    private func perform(
        _ write: PassedWrite, _ first: WriteAttempt, _ log: ServerLog, until end: borrowing EventDescriptor
    ) throws(Problem) {
        var attempt = first
        while !write.isDue, !end.isSignalled() {
            switch send(write, attempt) {
            case .set(let version): return write.answer(with: version, onceAdoptedBy: replica, log)
            case .notSet(let current):
                guard write.permitsReplacing(current.version) else {
                    throw .preconditionFailed(EntityTag(current.version), key: write.idempotencyKey)
                }
                (attempt.base, attempt.isOpen) = (current, false)
            case .refused(let answer):
                if attempt.isOpen { throw outcomeUnknown(attempt) }
                return write.answer(answer)
            case .unsent: attempt.offset += 1
            case .open: (attempt.offset, attempt.isOpen) = (attempt.offset + 1, true)
            case .undecidable: throw outcomeUnknown(attempt)
            }
            if attempt.offset > 0 { BackgroundThread.pause(milliseconds: min(200, 10 * attempt.offset)) }
        }
        if attempt.isOpen { throw outcomeUnknown(attempt) }
        throw attempt.offset > 0 ? .originUnreachable(noun) : .othersWereFaster
    }

    private func outcomeUnknown(_ attempt: WriteAttempt) -> Problem {
        .outcomeUnknown(noun, attempt.base.version, key: knowsKeys ? attempt.key : nil)
    }
}

extension PassedWrite {
    /// Whether the conditions hold for a version that has replaced the one before.
    fileprivate func permitsReplacing(_ version: Version) -> Bool {
        // `If-Match` with one tag was for the version before.
        conditions.onlyMatch == nil && conditions.permitReplacing(EntityTag(version), lastModified: .max)
    }
}

/// A connection that is kept from one PUT to the next.
struct KeptConnection<Connection> {
    let connection: Connection
    /// How many servers after the current one.
    let offset: Int
    private var lastUse = Clock.coarseMilliseconds

    init(_ connection: Connection, _ offset: Int) { (self.connection, self.offset) = (connection, offset) }

    mutating func noteUse() { lastUse = Clock.coarseMilliseconds }

    /// A server may end an idle connection just as a PUT is sent: then it is unknown whether the PUT was applied.
    var isFresh: Bool { Clock.coarseMilliseconds - lastUse < 5000 }
}

// MARK: Answers

extension Problem {
    /// - Parameter key: with which the client can find out; nil if the source knows no keys.
    fileprivate static func outcomeUnknown(_ noun: String, _ base: Version, key: String?) -> Problem {
        let advice =
            key.map { "Repeat the PUT with Idempotency-Key: \($0) and If-Match: \"\(base)\" to find out." }
            ?? "Get the text to find out."
        return Problem(
            .outcomeUnknown,
            "\(noun) did not answer. The text may be set, or may yet be, but only in place of version \(base). \(advice)",
            members: [("base", .text("\(base)"))] + (key.map { [("key", .text($0))] } ?? []))
    }

    /// - Parameter key: shows that the answer holds for all tries with it.
    fileprivate static func preconditionFailed(_ tag: EntityTag, key: String?) -> Problem {
        let problem = preconditionFailed(current: tag)
        guard let key else { return problem }
        return Problem(
            problem.type, problem.detail, members: problem.members, headers: problem.headers + [(.idempotencyKey, key)])
    }

    static func originUnreachable(_ noun: String) -> Problem {
        .unavailable("Nothing was set. \(noun) cannot be reached. Try again.")
    }

    fileprivate static let othersWereFaster = Problem.unavailable(
        "Nothing was set, because other PUTs came first each time. Try again.")

    static func badOrigin(_ noun: String, _ reason: String) -> Problem {
        Problem(.badOrigin, "\(noun) \(reason). Ask its operator.")
    }
}

extension Replica {
    /// The problem for a client whose version cannot be the current one.
    var preconditionFailed: Problem { known.map { .preconditionFailed(current: EntityTag($0)) } ?? .unattached }
}
