import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Where a stream begins, according to what its client knows.
@Suite("Event stream: resuming", .fewAtATime)
struct EventStreamResumingTests {
    @Test("A client that has the current version waits for the next; any other gets the current one at once")
    func lastEventID() throws {
        let server = try TestServer()
        let segment = try server.segment()
        let old = try segment.set("old")
        let current = try segment.set("current")
        let upToDate = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(current)"])
        for id in [old.description, "", "x", "\(current)0", Version(instance: 1, number: 2).description] {
            let stream = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(id)"])
            #expect(try stream.next()?.text == "current", "\(id)")
        }
        try segment.set("next")
        #expect(try upToDate.next()?.text == "next")
    }

    @Test("A stream that begins right after a change sends nothing older, even with other subscribers")
    func beginsAfterChange() throws {
        let server = try TestServer()
        let other = try EventStream(server.connect())
        for round in 0..<300 {
            let known = try #require(server.set("known \(round)")["ETag"]).filter { $0 != "\"" }
            let resumed = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(known)"])
            let current = try #require(server.set("current \(round)")["ETag"]).filter { $0 != "\"" }
            let stream = try EventStream(server.connect())
            try #require(try resumed.next()?.id == current)
            try #require(try stream.next()?.id == current)
        }
        extendLifetime(other)
    }

    @Test("The first stream of a server sends the current text too")
    func first() throws {
        let directory = try TemporaryDirectory()
        for _ in 0..<200 {
            let server = try TestServer { $0.directory = directory.path }
            try #require(try EventStream(server.connect()).next()?.text == "")
        }
    }

    @Test(
        "A stream that begins before the server has been notified of a change sends nothing older",
        arguments: [false, true])
    func beforeNotification(_ isKnown: Bool) async throws {
        let server = try TestServer()
        try server.segment().set("old")
        let first = try EventStream(server.connect())
        #expect(try first.next()?.text == "old")
        let writer = try await server.writerStoppedBeforeNotifying()
        let known = isKnown ? ["Last-Event-ID: \(try server.segment().version)"] : []
        let second = try EventStream(server.connect(), "/shared", known)
        if !isKnown { #expect(try second.next()?.text == "from a stopped process") }
        try server.segment().set("new")
        #expect(try second.next()?.text == "new")
        writer.kill()
    }

    @Test("After the server restarts, a client resumes where it was")
    func restart() throws {
        let directory = try TemporaryDirectory()
        func set(_ text: String) throws -> Version {
            try Segment.attach("text", AttachmentOptions(directory: directory.path)).set(text)
        }
        let seen: Version
        do {
            let server = try TestServer { $0.directory = directory.path }
            seen = try set("seen")
            let stream = try EventStream(server.connect())
            #expect(try stream.next() == .init(id: "\(seen)", data: Array("seen".utf8)))
            server.server.stop()
            #expect(try stream.next() == nil)
            #expect(stream.isWhole)
        }
        let missed = try set("missed")
        let server = try TestServer { $0.directory = directory.path }
        let stream = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(seen)"])
        #expect(try stream.next() == .init(id: "\(missed)", data: Array("missed".utf8)))
        let again = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(missed)"])
        _ = try set("next")
        #expect(try again.next()?.text == "next")
        #expect(try stream.next()?.text == "next")
    }
}
