import Foundation
import TestSupport
import Testing

@testable import SharedMemory

/// Waiting for a change, in threads and in tasks.
@Suite("Waiting", .timeLimit(.minutes(1)))
struct WaitingTests: SegmentTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    @Test("A wait returns the version of what another process sets", arguments: [Access.readWrite, .readOnly])
    func woken(_ access: Access) async throws {
        let writer = try attach()
        try writer.set("before")
        let segment = try attach(access)
        let before = try segment.version
        let child = try probe("set", "after")
        let version = try segment.wait(after: before, timeout: .seconds(30))
        #expect(try version == Version(instance: before.instance, number: 2) && segment.get() == "after")
        _ = try await child.finish()
    }

    @Test(
        "A task sees the present text, then each newer one, and ends when it is cancelled",
        arguments: [Access.readWrite, .readOnly])
    func changes(_ access: Access) async throws {
        let writer = try attach()
        try writer.set("0")
        let segment = try attach(access)
        let (seen, isSeen) = AsyncStream.makeStream(of: String.self)
        let task = Task {
            for try await snapshot in segment.changes { isSeen.yield(snapshot.text) }
            isSeen.finish()
        }
        var texts = seen.makeAsyncIterator()
        #expect(await texts.next() == "0")
        for round in 1...20 {
            try writer.set("\(round)")
            #expect(await texts.next() == "\(round)")
        }
        task.cancel()
        #expect(await texts.next() == nil)
        try await task.value
    }

    @Test("Who waits learns that the segment was unlinked")
    func unlinked() async throws {
        let segment = try attach()
        let before = try segment.version
        let child = try probe("unlink")
        #expect(throws: SegmentError.unlinked(name: name)) { try segment.wait(after: before, timeout: .seconds(30)) }
        #expect(try await child.finish().status == 0)
        await #expect(throws: SegmentError.unlinked(name: name)) {
            for try await snapshot in segment.changes { #expect(snapshot.version == before) }
        }
    }
}
