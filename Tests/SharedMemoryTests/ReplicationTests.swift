import Foundation
import LinuxSystem
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// Segments that a server has marked, because it replicates them.
@Suite("Replicated segments", .fewAtATime)
struct ReplicationTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    let mark = ReplicationMark(port: 8080)

    /// Holds the lock of a server that replicates the text.
    func replicate() throws -> FileDescriptor {
        let descriptor = try FileDescriptor.open(path, .readWrite)
        #expect(try descriptor.tryLockExclusive(byte: Layout.followerLock))
        return descriptor
    }

    /// What a process is told while a server replicates the segment; without a URL, after it has ended.
    var refusal: SegmentError { refusal(url: "http://localhost:8080/shared/text") }

    func refusal(url: String?) -> SegmentError { .replicated(name: name, directory: directory.path, url: url) }

    @discardableResult
    func release() throws -> Bool { try Segment.release(name, directory: directory.path) }

    @Test("A marked segment is read as before, and set only with text that was replicated")
    func refused() throws {
        let segment = try attach(.readWrite, .persistent)
        let version = try segment.set("local")
        try segment.mark(mark)
        let lock = try replicate()
        defer { extendLifetime(lock) }
        #expect(throws: refusal) { try segment.set("x") }
        #expect(throws: refusal) { try segment.set("x", ifVersion: version) }
        #expect(throws: refusal) { try segment.set(utf8: Array("x".utf8).span) }
        #expect(throws: refusal) { try segment.update { $0 + "x" } }
        #expect(throws: refusal) { try attachApart().set("x") }
        // A read-only attachment is reported first.
        #expect(throws: SegmentError.readOnly(name: name)) { try attach(.readOnly).set("x") }
        #expect(try segment.snapshot() == Segment.read(name, directory: directory.path))
        #expect(try segment.get() == "local" && segment.version == version)
        #expect(try segment.set(replica: Array("replicated".utf8).span).number == 2)
        #expect(try segment.get() == "replicated")
        try expectNothingLeft()
    }

    @Test("The mark says where the server accepts text")
    func url() throws {
        let segment = try attach(.readWrite, .persistent)
        let lock = try replicate()
        defer { extendLifetime(lock) }
        for (mark, url) in [
            (ReplicationMark(port: nil), nil), (ReplicationMark(port: 1), "http://localhost:1/shared/text"),
            (ReplicationMark(port: 65535, isEncrypted: true), "https://localhost:65535/shared/text"),
        ] {
            try segment.mark(mark)
            #expect(try Segment.info(name, directory: directory.path).replication?.url == url)
            let error = #expect(throws: SegmentError.self) { try segment.set("x") }
            #expect(error == refusal(url: url))
            #expect("\(try #require(error))".contains("sharedmem release text --directory \(directory.path)"))
        }
    }

    @Test(
        "A set that began before the segment was marked never replaces replicated text",
        arguments: [PausePoint.setChosen, .setFilled, .setNumbered])
    func begun(_ step: PausePoint) async throws {
        let segment = try attach(.readWrite, .persistent)
        let child = try await probe(stoppedAt: step, .set("late"))
        try segment.mark(mark)
        let replicated = try segment.set(replica: Array("replicated".utf8).span)
        child.send(SIGCONT)
        let end = try await child.finish()
        #expect(end.status != 0 && end.errors.contains("sharedmem release text"), "\(end.errors)")
        #expect(try segment.get() == "replicated" && segment.version == replicated)
        try expectNothingLeft()
    }

    @Test("A segment is released once no server replicates it, and is set again by all; the text and its version stay")
    func released() throws {
        let segment = try attach(.readWrite, .persistent)
        #expect(try !release())
        let version = try segment.set("before")
        #expect(try Segment.info(name, directory: directory.path).replication == nil)
        try segment.mark(mark)
        do {
            let lock = try replicate()
            #expect(try Segment.info(name, directory: directory.path).replication?.isUnderWay == true)
            #expect(throws: SegmentError.stillReplicated(name: name)) { try release() }
            #expect(throws: refusal) { try segment.set("x") }
            extendLifetime(lock)
        }
        #expect(try Segment.info(name, directory: directory.path).replication?.isUnderWay == false)
        #expect(throws: refusal(url: nil)) { try segment.set("x") }
        #expect(try release())
        #expect(try !release())
        #expect(try segment.version == version)
        #expect(try segment.set("after", ifVersion: version).number == 2)
        // The lock went with the descriptor.
        _ = try replicate()
    }

    @Test("Releasing what is no segment fails, and creates nothing")
    func notReleased() throws {
        let missing = #expect(throws: SegmentError.self) { try release() }
        #expect(missing == .notFound(name: name, directory: directory.path, found: []))
        #expect(try directory.names == [])
        try Data("junk".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: SegmentError.self) { try release() }
    }

    @Test("The mark stays with its segment: another one of the name has none")
    func another() throws {
        let segment = try attach(.readWrite, .persistent)
        try segment.mark(mark)
        try Segment.unlink(name, directory: directory.path)
        #expect(try attach(.readWrite, .persistent).set("x").number == 1)
    }
}
