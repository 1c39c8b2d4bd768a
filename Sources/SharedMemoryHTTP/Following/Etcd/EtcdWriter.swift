import Etcd
import HTTPClient
import HTTPMessages
import LinuxSystem
import SharedMemory

/// Sets the text in etcd, by transactions.
///
/// Models/replication.pml has the steps, which are numbered here as there.
final class EtcdWriter: ReplicaWriter {
    let replica: Replica
    private let source: EtcdSource
    private var kept: KeptConnection<EtcdConnection>?

    init(_ replica: Replica, _ source: EtcdSource) { (self.replica, self.source) = (replica, source) }

    var noun: String { source.noun }

    var knowsKeys: Bool { true }

    // MARK: The base

    func base(for write: PassedWrite) throws(Problem) -> WriteBase {
        if let key = write.idempotencyKey {
            guard let id = UInt64(writeID: Array(key.utf8)), id > 0 else { throw .malformedKey }
            guard write.conditions.onlyMatch != nil else { throw .keyWithoutBase }
        }
        if let tag = write.conditions.onlyMatch {
            guard let version = Version(tag.opaque), version.number <= Int64.max else {
                throw replica.preconditionFailed
            }
            return WriteBase(version)
        }
        if !write.conditions.isPresent, let known = replica.known, known.number > 0 { return WriteBase(known) }
        // Other conditions are evaluated against the current version.
        let state = try current(for: write)
        let tag = EntityTag(state.current.version)
        guard write.conditions.permitReplacing(tag, lastModified: .max) else { throw .preconditionFailed(current: tag) }
        return WriteBase(state)
    }

    /// What the first member shows that answers.
    private func current(for write: PassedWrite) throws(Problem) -> EtcdState {
        var problem = Problem.originUnreachable(noun)
        for offset in 0..<2 * source.memberCount where !write.isDue {
            do throws(EtcdFault) {
                return try read(offset)
            } catch {
                if error.isForPermission || error.isForRequest { problem = .badOrigin(noun, error.reason) }
            }
        }
        throw problem
    }

    private func read(_ offset: Int) throws(EtcdFault) -> EtcdState {
        let limits = ClientLimits(timeoutMilliseconds: EtcdSource.tryMilliseconds)
        return try source.connect(limits, offset: offset).read(source.keys)
    }

    // MARK: A try

    /// [W1] and [W2].
    func send(_ write: PassedWrite, _ attempt: WriteAttempt) -> WriteVerdict {
        guard let id = UInt64(writeID: Array(attempt.key.utf8)) else { return .refused(.problem(.malformedKey)) }
        let last = kept
        kept = nil
        do throws(EtcdFault) {
            var current: KeptConnection<EtcdConnection>
            if let last, last.isFresh, last.offset == attempt.offset, last.connection.isOpen {
                current = last
            } else {
                let limits = ClientLimits(timeoutMilliseconds: EtcdSource.tryMilliseconds)
                current = KeptConnection(try source.connect(limits, offset: attempt.offset), attempt.offset)
            }
            current.connection.limits.renew(timeoutMilliseconds: write.tryTimeoutMilliseconds)
            let outcome = try current.connection.set(
                source.keys, write.text, id: id, replacing: attempt.base.version)
            current.noteUse()
            kept = current
            switch outcome {
            case .set(let version): return .set(version)
            case .notSet(let state): return decide(attempt, id, state, isOpen: attempt.isOpen)
            }
        } catch {
            return verdict(error, write, attempt, id)
        }
    }

    private func verdict(
        _ fault: EtcdFault, _ write: PassedWrite, _ attempt: WriteAttempt, _ id: UInt64
    ) -> WriteVerdict {
        if fault.isUnsent { return .unsent }
        if fault.isForLength { return .refused(.problem(.tooLongForEtcd(write.text.count))) }
        if fault.isForSpace {
            // etcd says so even if it has carried out the transaction: a look tells.
            guard let state = try? read(attempt.offset) else { return .open }
            if state.current.version == attempt.base.version { return .refused(.problem(.noSpaceInEtcd)) }
            return decide(attempt, id, state, isOpen: true)
        }
        if fault.isForPermission || fault.isForRequest { return .refused(.problem(.badOrigin(noun, fault.reason))) }
        return .open
    }

    /// What became of the tries, as the text is not the base.
    private func decide(_ attempt: WriteAttempt, _ id: UInt64, _ state: EtcdState, isOpen: Bool) -> WriteVerdict {
        if state.current.version.instance == id { return .set(state.current.version) }
        let notSet = WriteVerdict.notSet(current: WriteBase(state))
        guard isOpen else { return notSet }
        // [W3] The first change of the text after the base decides.
        let limits = ClientLimits(timeoutMilliseconds: EtcdSource.tryMilliseconds)
        do throws(EtcdFault) {
            let connection = try source.connect(limits, offset: attempt.offset)
            var watch = try connection.watch(source.keys, from: attempt.base.revision + 1)
            while true {
                guard let change = try watch.read().first else { continue }
                if case .text(let text) = change, text.version.instance == id { return .set(text.version) }
                return notSet
            }
        } catch .canceled {
            return .undecidable
        } catch {
            return .open
        }
    }
}

extension WriteBase {
    fileprivate init(_ state: EtcdState) {
        let version = state.current.version
        // Where there was no text, anything may have come and gone before.
        self.init(version, revision: version.number == 0 ? state.revision : nil)
    }
}

extension EtcdFault {
    /// To follow "etcd".
    fileprivate var reason: String {
        if case .refused(_, let message) = self { "refuses: \(message)" } else { "fails: \(self)" }
    }
}

extension Problem {
    fileprivate static let malformedKey = Problem.malformed(
        "Idempotency-Key is not the one of an earlier answer: it has 16 lowercase hexadecimal digits, not all of them 0."
    )
    fileprivate static let keyWithoutBase = Problem.malformed(
        "Idempotency-Key needs If-Match with the base: without it, what was set and replaced would be set again."
    )

    fileprivate static func tooLongForEtcd(_ count: Int) -> Problem {
        Problem(
            .tooLong,
            "etcd does not accept \(count) bytes. Shorten the text, or have --max-request-bytes raised at all members."
        )
    }

    fileprivate static let noSpaceInEtcd = Problem(
        .noSpace,
        "etcd has no space left, and nothing was set. Have it compacted and defragmented, then send the text again.")
}
