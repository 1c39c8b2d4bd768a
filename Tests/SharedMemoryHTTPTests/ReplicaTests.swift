import HTTPMessages
import LinuxSystem
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory
@testable import SharedMemoryHTTP

/// What a PUT is answered, by what becomes of its tries, and what requests wait for.
@Suite("Replicas", .fewAtATime)
struct ReplicaTests {
    private static func replica(in directory: TemporaryDirectory, _ log: ServerLog) throws -> Replica {
        let options = AttachmentOptions(lifetime: .persistent, directory: directory.path)
        let publisher = ReplicaPublisher(try SegmentFollower("text", options), ReplicationMark(port: nil))
        return try Replica("text", publisher, log)
    }

    private final class ScriptedWriter: ReplicaWriter {
        let replica: Replica
        let noun = "The source"
        let knowsKeys = true
        private var verdicts: [WriteVerdict]
        private(set) var attempts: [WriteAttempt] = []

        init(_ verdicts: [WriteVerdict], _ directory: TemporaryDirectory, _ log: ServerLog) throws {
            replica = try ReplicaTests.replica(in: directory, log)
            self.verdicts = verdicts
        }

        func base(for write: PassedWrite) throws(Problem) -> WriteBase { WriteBase(ReplicaTests.base) }

        func send(_ write: PassedWrite, _ attempt: WriteAttempt) -> WriteVerdict {
            attempts.append(attempt)
            return verdicts.removeFirst()
        }
    }

    static let base = Version(instance: 1, number: 1)
    static let other = Version(instance: 2, number: 2)

    /// Passes on a PUT, whose tries have these results one after another.
    ///
    /// - Returns: the type of the problem in the answer, its members by name, and the tries.
    private func answer(
        to verdicts: [WriteVerdict], fields: [String: String] = [:]
    ) throws -> (ProblemType?, [String: String], [WriteAttempt]) {
        let log = try ServerLog(ServerConfiguration())
        let directory = try TemporaryDirectory()
        let writer = try ScriptedWriter(verdicts, directory, log)
        let policy = AccessPolicy()
        var head = RequestHead(policy, isIntact: true)
        for (name, value) in fields { head.add(name: Array(name.utf8).span, value: Array(value.utf8).span, policy) }
        head.finish(isHTTP10: false)
        let answers = Mutex<[AwaitedAnswer.Answer]>([])
        let write = PassedWrite(Array("new".utf8), PendingRequest(.listMethods(.read), head, nil, nil)) { answer in
            answers.withLock { $0.append(answer) }
        }
        writer.perform(write, log, until: try EventDescriptor())
        let given = answers.withLock { $0 }
        #expect(given.count == 1)
        guard case .problem(let problem)? = given.first else { return (nil, [:], writer.attempts) }
        let members = problem.members.compactMap { member -> (String, String)? in
            if case .text(let text) = member.value { (member.name, text) } else { nil }
        }
        return (problem.type, Dictionary(members) { first, _ in first }, writer.attempts)
    }

    private static let refusal = WriteVerdict.refused(.problem(.badOrigin("The source", "refuses")))

    @Test("What the source refuses is refused, but not if an earlier try may have been carried out")
    func refused() throws {
        #expect(try answer(to: [Self.refusal]).0 == .badOrigin)
        #expect(try answer(to: [.unsent, Self.refusal]).0 == .badOrigin)
        let (type, members, attempts) = try answer(to: [.open, Self.refusal])
        #expect(type == .outcomeUnknown && members["base"] == "\(Self.base)" && members["key"] == attempts[0].key)
        #expect(try answer(to: [.open, .undecidable]).0 == .outcomeUnknown)
    }

    @Test("Each try is the same one, at the next server, until another version has replaced the base")
    func tries() throws {
        let (_, _, attempts) = try answer(
            to: [.open, .unsent, .open, .notSet(current: WriteBase(Self.other)), Self.refusal])
        #expect(Set(attempts.map(\.key)).count == 1)
        #expect(attempts.map(\.offset) == [0, 1, 2, 3, 3])
        #expect(attempts.map(\.isOpen) == [false, true, true, true, false])
        #expect(attempts.map(\.base.version) == [Self.base, Self.base, Self.base, Self.base, Self.other])
    }

    @Test("Once it is decided that no try was carried out, a refusal of the next one is the answer")
    func decided() throws {
        let open: [WriteVerdict] = [.open, .notSet(current: WriteBase(Self.other)), Self.refusal]
        #expect(try answer(to: open).0 == .badOrigin)
        let fields = ["Idempotency-Key": "0123456789abcdef"]
        #expect(try answer(to: [Self.refusal], fields: fields).0 == .outcomeUnknown)
        #expect(try answer(to: Array(open.dropFirst()), fields: fields).0 == .badOrigin)
    }

    @Test("A condition that the version in place of the base does not fulfil is told, with that version")
    func preconditions() throws {
        let replaced: [WriteVerdict] = [.notSet(current: WriteBase(Self.other))]
        for fields in [["If-Match": "\"\(Self.base)\""], ["If-None-Match": "\"\(Self.other)\""]] {
            let (type, members, _) = try answer(to: replaced, fields: fields)
            #expect(type == .preconditionFailed && members["version"] == "\(Self.other)", "\(fields)")
        }
        let (_, _, attempts) = try answer(to: replaced + [Self.refusal], fields: ["If-Match": "*"])
        #expect(attempts.last?.base.version == Self.other)
    }

    // MARK: What is waited for

    @Test("Only a confirmation that was asked for after a request had arrived shows that request the current text")
    func confirmations() throws {
        let directory = try TemporaryDirectory()
        let replica = try Self.replica(in: directory, ServerLog(ServerConfiguration()))
        replica.adopt(Self.base, Array("text".utf8), at: 1000)
        let results = Mutex<[Bool]>([])
        func wait(for goal: Replica.Goal) {
            replica.wait(for: goal, timeoutMilliseconds: 60_000) { isReached in
                results.withLock { $0.append(isReached) }
            }
        }
        // In the millisecond in which a request arrives, the version may have been asked for and replaced before.
        wait(for: .confirmation(after: 1000))
        wait(for: .version(Self.other, orConfirmationAfter: 1000))
        replica.confirm(at: 1000)
        #expect(results.withLock { $0 } == [] && replica.isAwaited)
        replica.confirm(at: 1001)
        #expect(results.withLock { $0 } == [true, true] && !replica.isAwaited)
        wait(for: .confirmation(after: 1000))
        wait(for: .version(Self.base, orConfirmationAfter: 5000))
        #expect(results.withLock { $0 }.count == 4)
        replica.stop()
    }
}
