import Foundation
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// Threads of one process on one mapping, for ThreadSanitizer. (It does not see the standard library's Mutex.)
@Suite("Threads", .fewAtATime)
struct ThreadsTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    func attach(_ access: Access = .readWrite) throws -> Segment {
        try Segment.attach("text", AttachmentOptions(access: access, directory: directory.path))
    }

    @Sendable func expectWhole(_ isWhole: Bool) { #expect(isWhole) }

    /// Runs each body a number of times in a thread of its own, and waits for all.
    func inThreads(_ bodies: [@Sendable (Int) throws -> Void], rounds: Int) async throws {
        let outcomes = Locked<[String]>([])
        for body in bodies {
            Thread.detachNewThread {
                var outcome = "done"
                do {
                    for round in 0..<rounds { try body(round) }
                } catch {
                    outcome = "\(error)"
                }
                outcomes.with { $0.append(outcome) }
            }
        }
        let all = try await eventually("the end of the threads", within: 300) {
            outcomes.with { $0.count == bodies.count ? $0 : nil }
        }
        #expect(all.allSatisfy { $0 == "done" }, "\(all)")
    }

    @Test(
        "Threads that share an attachment set and read whole texts in the order of their versions",
        arguments: [100, 9000])
    func oneAttachment(byteCount: Int) async throws {
        let segment = try attach()
        let history = Locked(History())
        @Sendable func record(_ kind: History.Operation.Kind, _ body: () throws -> (Version, UInt64?)) rethrows {
            let start = HistoryFile.now
            let (version, digest) = try body()
            let operation = History.Operation(
                kind, .swift, start: start, end: HistoryFile.now, instance: version.instance, number: version.number,
                digest: digest)
            history.with { $0.append(operation) }
        }
        let setters = (0..<3).map { setter in
            { @Sendable (round: Int) in
                let text = ChecksummedText.make(byteCount: byteCount, seed: UInt64(setter << 32 | round))
                try record(.set) { (try segment.set(utf8: text.span), ChecksummedText.digest(of: text.span.bytes)) }
            }
        }
        let readers: [@Sendable (Int) throws -> Void] = [
            { _ in
                try record(.read) {
                    let snapshot = try segment.snapshot()
                    return (snapshot.version, ChecksummedText.digest(of: snapshot.text.utf8Span.span.bytes))
                }
            },
            { _ in expectWhole(try segment.withBytes { ChecksummedText.isWhole($0) }) },
            { _ in expectWhole(try segment.withText { ChecksummedText.isWhole($0.span.bytes) }) },
        ]
        try await inThreads(setters + readers, rounds: 2000)
        #expect(history.with { $0.violations() }.map(\.description) == [])
        #expect(try segment.version.number == 6000)
    }

    @Test(
        "Segments of a process that share one attachment, and threads that attach and detach, do not disturb each other"
    )
    func twoAttachments() async throws {
        let (first, second, reader) = (try attach(), try attach(), try attach(.readOnly))
        let text = ChecksummedText.make(byteCount: 5000, seed: 1)
        try await inThreads(
            [
                { _ in try first.set(utf8: text.span) }, { _ in try second.set(utf8: text.span) },
                { _ in expectWhole(try first.withBytes { ChecksummedText.isWhole($0) }) },
                { _ in expectWhole(try ChecksummedText.isWhole(reader.get().utf8Span.span.bytes)) },
                { _ in try attach().set(utf8: text.span) },
                { _ in expectWhole(try ChecksummedText.isWhole(attach(.readOnly).get().utf8Span.span.bytes)) },
                { _ in _ = try Segment.info("text", directory: directory.path) },
            ], rounds: 500)
        #expect(try first.version.number == 1500)
        #expect(try Segment.info("text", directory: directory.path).attached.count == 1)
        extendLifetime(second)
    }

    @Test("No update by concurrent threads is lost")
    func updates() async throws {
        let segment = try attach()
        let add: @Sendable (Int) throws -> Void = { _ in try segment.update { String((Int($0) ?? 0) + 1) } }
        try await inThreads([add, add, add, add], rounds: 500)
        #expect(try segment.get() == "2000")
    }
}

/// A value behind a lock of the operating system.
final class Locked<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func with<Result>(_ body: (inout Value) -> Result) -> Result { lock.withLock { body(&value) } }
}
