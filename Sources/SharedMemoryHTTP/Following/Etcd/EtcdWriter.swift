import Etcd
import HTTPClient
import HTTPMessages
import LinuxSystem
import SharedMemory

/// Sets the text in etcd.
///
/// Each PUT is a transaction that replaces one version and nothing else, with a write id of its own. So a try without an answer
/// can be repeated at the next member: it cannot be applied twice. Models/replication.pml has the steps, which are numbered here
/// as there.
final class EtcdWriter: ReplicaWriter {
    private let replica: Replica
    private let source: EtcdSource
    private let log: ServerLog
    private var kept: KeptConnection<EtcdConnection>?

    init(_ replica: Replica, _ source: EtcdSource, _ log: ServerLog) {
        (self.replica, self.source, self.log) = (replica, source, log)
    }

    /// What a PUT replaces, and as what.
    private struct Try {
        let id: UInt64
        var base: Version
        /// The revision after which whatever replaces the base comes.
        var baseRevision: UInt64
        /// How many members after the current one is asked.
        var offset = 0
        /// Whether a try may have been carried out, or may yet be.
        var isOpen: Bool

        mutating func replace(_ state: EtcdState) {
            base = state.current.version
            baseRevision = base.number == 0 ? state.revision : base.number
            isOpen = false
        }
    }

    private enum Verdict {
        case set(Version)
        /// Neither this try nor an earlier one has replaced the base, or will.
        case notSet(EtcdState)
        /// This try has done nothing, and no other would.
        case refused(Problem)
        case unsent
        case open
        /// Nobody will ever tell what became of the tries.
        case undecidable
    }

    func perform(_ write: PassedWrite, until end: borrowing EventDescriptor) {
        var attempt: Try
        switch begin(write) {
        case .attempt(let first): attempt = first
        case .none(let problem): return write.answer(.problem(problem))
        }
        while !write.isDue, !end.isSignalled() {
            switch send(write, attempt) {
            case .set(let version): return write.answer(with: version, onceAdoptedBy: replica, log)
            case .notSet(let state):
                let current = state.current.version
                guard write.permitsReplacing(current) else {
                    return write.answer(.problem(.preconditionFailed(EntityTag(current), key: write.idempotencyKey)))
                }
                attempt.replace(state)
            case .refused(let problem):
                return write.answer(.problem(attempt.isOpen ? outcomeUnknown(attempt) : problem))
            case .unsent: attempt.offset += 1
            case .open: (attempt.offset, attempt.isOpen) = (attempt.offset + 1, true)
            case .undecidable: return write.answer(.problem(outcomeUnknown(attempt)))
            }
            if attempt.offset > 0 { BackgroundThread.pause(milliseconds: min(200, 10 * attempt.offset)) }
        }
        let unsent = attempt.offset > 0 ? Problem.originUnreachable(source.noun) : .othersWereFaster
        write.answer(.problem(attempt.isOpen ? outcomeUnknown(attempt) : unsent))
    }

    private func outcomeUnknown(_ attempt: Try) -> Problem {
        .outcomeUnknown(
            source.noun, attempt.base,
            advice: "Repeat the PUT with Idempotency-Key: \(attempt.id.writeID) and If-Match: \"\(attempt.base)\" to "
                + "find out.",
            members: [("key", .text(attempt.id.writeID))])
    }

    // MARK: The base

    private enum Beginning {
        case attempt(Try)
        /// Nothing can be set.
        case none(Problem)
    }

    private func begin(_ write: PassedWrite) -> Beginning {
        var id: UInt64?
        if let key = write.idempotencyKey {
            id = UInt64(writeID: Array(key.utf8))
            guard let id, id > 0 else { return .none(.malformedKey) }
            guard write.conditions.onlyMatch != nil else { return .none(.keyWithoutBase) }
        }
        var attempt = Try(
            id: id ?? UInt64.random(in: 1 ... .max), base: EtcdText.none.version, baseRevision: 0, isOpen: id != nil)
        if let tag = write.conditions.onlyMatch {
            guard let version = Version(tag.opaque), version.number <= Int64.max else {
                return .none(replica.preconditionFailed)
            }
            (attempt.base, attempt.baseRevision) = (version, version.number)
            return .attempt(attempt)
        }
        if !write.conditions.isPresent, let known = replica.known, known.number > 0 {
            (attempt.base, attempt.baseRevision) = (known, known.number)
            return .attempt(attempt)
        }
        // Other conditions are evaluated against the current version.
        var problem = Problem.originUnreachable(source.noun)
        for offset in 0..<2 * source.memberCount where !write.isDue {
            do throws(EtcdFault) {
                let state = try read(offset)
                let tag = EntityTag(state.current.version)
                guard write.conditions.permitReplacing(tag, lastModified: .max) else {
                    return .none(.preconditionFailed(current: tag))
                }
                attempt.replace(state)
                return .attempt(attempt)
            } catch {
                if error.isForPermission || error.isForRequest { problem = .badOrigin(source.noun, error.reason) }
            }
        }
        return .none(problem)
    }

    private func read(_ offset: Int) throws(EtcdFault) -> EtcdState {
        let limits = ClientLimits(timeoutMilliseconds: EtcdSource.tryMilliseconds)
        return try source.connect(limits, offset: offset).read(source.keys)
    }

    // MARK: A try

    /// Sends the transaction, and judges the answer: [W1] and [W2].
    private func send(_ write: PassedWrite, _ attempt: Try) -> Verdict {
        let last = kept
        kept = nil
        do throws(EtcdFault) {
            var current: KeptConnection<EtcdConnection>
            if let last, last.isFresh, last.offset == attempt.offset, last.connection.isOpen {
                current = last
            } else {
                let limits = ClientLimits(timeoutMilliseconds: EtcdSource.tryMilliseconds)
                current = KeptConnection(
                    try source.connect(limits, offset: attempt.offset), attempt.offset)
            }
            current.connection.limits.renew(timeoutMilliseconds: write.tryTimeoutMilliseconds)
            let outcome = try current.connection.set(source.keys, write.text, id: attempt.id, replacing: attempt.base)
            current.noteUse()
            kept = current
            switch outcome {
            case .set(let version): return .set(version)
            case .notSet(let state): return decide(write, attempt, state)
            }
        } catch {
            return verdict(error, write, attempt)
        }
    }

    private func verdict(_ fault: EtcdFault, _ write: PassedWrite, _ attempt: Try) -> Verdict {
        if fault.isUnsent { return .unsent }
        if fault.isForLength { return .refused(.tooLongForEtcd(write.text.count)) }
        if fault.isForSpace {
            // etcd says so even if it has carried out the transaction: a look tells.
            guard let state = try? read(attempt.offset) else { return .open }
            if state.current.version == attempt.base { return .refused(.noSpaceInEtcd) }
            var open = attempt
            open.isOpen = true
            return decide(write, open, state)
        }
        if fault.isForPermission || fault.isForRequest { return .refused(.badOrigin(source.noun, fault.reason)) }
        return .open
    }

    /// What became of the tries, as the text is not the base.
    private func decide(_ write: PassedWrite, _ attempt: Try, _ state: EtcdState) -> Verdict {
        if state.current.version.instance == attempt.id { return .set(state.current.version) }
        guard attempt.isOpen else { return .notSet(state) }
        // [W3] The first change of the text after the base decides.
        let limits = ClientLimits(timeoutMilliseconds: EtcdSource.tryMilliseconds)
        do throws(EtcdFault) {
            let connection = try source.connect(limits, offset: attempt.offset)
            var watch = try connection.watch(source.keys, from: attempt.baseRevision + 1)
            while true {
                guard let change = try watch.read().first else { continue }
                if case .text(let text) = change, text.version.instance == attempt.id { return .set(text.version) }
                return .notSet(state)
            }
        } catch .canceled {
            return .undecidable
        } catch {
            return .open
        }
    }
}

extension EtcdFault {
    /// To follow "etcd".
    fileprivate var reason: String {
        if case .refused(_, _, let message) = self { "refuses: \(message)" } else { "fails: \(self)" }
    }
}

extension Problem {
    fileprivate static let malformedKey = Problem.malformed(
        "Idempotency-Key is not the one of an earlier answer: it has 16 lowercase hexadecimal digits, not all of them 0."
    )
    fileprivate static let keyWithoutBase = Problem.malformed(
        "Idempotency-Key needs If-Match with the base: without it, what was set and replaced would be set again."
    )

    fileprivate static let othersWereFaster = Problem.unavailable(
        "Nothing was set, because other PUTs came first each time. Try again.")

    fileprivate static func tooLongForEtcd(_ count: Int) -> Problem {
        Problem(
            .tooLong,
            "etcd does not accept \(count) bytes. Shorten the text, or have --max-request-bytes raised at all members."
        )
    }

    fileprivate static let noSpaceInEtcd = Problem(
        .noSpace,
        "etcd has no space left, and nothing was set. Have it compacted and defragmented, then send the text again.")

    /// - Parameter key: shows that the answer holds for all tries with it.
    fileprivate static func preconditionFailed(_ tag: EntityTag, key: String?) -> Problem {
        let problem = preconditionFailed(current: tag)
        guard let key else { return problem }
        return Problem(
            problem.type, problem.detail, members: problem.members, headers: problem.headers + [(.idempotencyKey, key)])
    }
}
