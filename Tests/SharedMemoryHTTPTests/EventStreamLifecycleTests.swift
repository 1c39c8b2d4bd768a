import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// How long a stream lasts: across silence and unlinking, until the server stops.
@Suite("Event stream: lifecycle", .fewAtATime)
struct EventStreamLifecycleTests {
    @Test("A silent stream sends heartbeats")
    func heartbeat() throws {
        let server = try TestServer { $0.heartbeatSeconds = 1 }
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        for _ in 0..<3 { try stream.awaitComment() }
        #expect(stream.commentCount == 3)
        try server.segment().set("after")
        #expect(try stream.next()?.text == "after")
    }

    @Test("A stream outlasts the time limits of other connections")
    func outlasts() async throws {
        let server = try TestServer {
            ($0.headSeconds, $0.bodySeconds, $0.sendSeconds, $0.idleSeconds) = (1, 1, 1, 1)
        }
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        try await Task.sleep(for: .seconds(3.5))
        try server.segment().set("still there")
        #expect(try stream.next()?.text == "still there")
    }

    // MARK: Unlinking

    @Test("A stream follows its name from an unlinked segment to the next one")
    func unlinked() throws {
        let server = try TestServer()
        let old = try server.segment().set("gone")
        let stream = try EventStream(server.connect())
        #expect(try stream.next()?.id == "\(old)")
        try Segment.unlink("text", directory: server.directory.path)
        let event = try #require(try stream.next())
        #expect(event.text == "" && event.number == 0)
        let version = try server.segment().set("new")
        #expect(version.instance != old.instance)
        #expect(try stream.next() == .init(id: "\(version)", data: Array("new".utf8)))
    }

    @Test("A stream follows its name even while another process keeps setting the unlinked segment")
    func unlinkedAndSet() throws {
        let server = try TestServer()
        let old = try server.segment()
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        let isEnough = Flag()
        Thread.detachNewThread {
            var number = 0
            while !isEnough.isRaised {
                number += 1
                _ = try? old.set("old \(number)")
            }
        }
        defer { isEnough.raise() }
        try Segment.unlink("text", directory: server.directory.path)
        let new = try server.segment()
        let version = try new.set("new")
        let deadline = ContinuousClock.now + .seconds(10)
        var event = try stream.next()
        while event?.id != "\(version)", ContinuousClock.now < deadline { event = try stream.next() }
        #expect(event == .init(id: "\(version)", data: Array("new".utf8)))
    }

    @Test("While the name leads to a file that is not a segment, the stream waits")
    func unattached() async throws {
        let server = try TestServer { $0.heartbeatSeconds = 1 }
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        let path = server.directory.path(of: "text")
        // Replaces the name rather than the content of the file, which is still a living segment.
        try Data("not a segment".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        _ = try await eventually("a refusal") {
            let refused = try server.connect()
            try refused.sendRequest("GET", "/shared", ["Accept: text/event-stream"])
            guard try refused.response()["Transfer-Encoding"] == nil else { return nil as Bool? }
            return try String(decoding: refused.rest(), as: UTF8.self).contains("not attached")
        }
        try FileManager.default.removeItem(atPath: path)
        // If the server attaches before the next line does, it sends the empty text of a new segment first.
        var event = try #require(try stream.next())
        try server.segment().set("again")
        if event.text == "" { event = try #require(try stream.next()) }
        #expect(event.text == "again")
    }

    // MARK: Stopping

    @Test("A server that stops ends each stream after its last event, within the grace period")
    func stopped() throws {
        let server = try TestServer(capacity: 4 << 20) { $0.graceSeconds = 60 }
        let idle = try EventStream(server.connect())
        #expect(try idle.next() != nil)
        let slow = try EventStream(server.connect())
        let text = String(repeating: String(repeating: "a", count: 1023) + "\n", count: 4096)
        try server.segment().set(text)
        let isThere = try idle.next()?.text == text
        #expect(isThere)
        let hasStopped = Flag()
        Thread.detachNewThread {
            server.server.stop()
            hasStopped.raise()
        }
        #expect(try idle.next() == nil)
        #expect(idle.isWhole)
        #expect(!hasStopped.isRaised)
        // The event that is being sent is sent to its end.
        var texts: [String] = []
        while let event = try slow.next() { texts.append(event.text) }
        let isLast = texts.last == text
        #expect(isLast && slow.isWhole)
    }

    @Test("A second stop waits for the first and does not shorten its grace period")
    func stoppedTwice() async throws {
        let server = try TestServer(capacity: 4 << 20) { $0.graceSeconds = 60 }
        let slow = try EventStream(server.connect())
        #expect(try slow.next() != nil)
        let text = String(repeating: "a", count: 4 << 20)
        try server.segment().set(text)
        let hasStopped = [Flag(), Flag()]
        for flag in hasStopped {
            Thread.detachNewThread {
                server.server.stop()
                flag.raise()
            }
        }
        _ = try await eventually("a refused connection") { (try? server.connect()) == nil ? true : nil }
        try await Task.sleep(for: .milliseconds(100))
        #expect(!hasStopped.contains { $0.isRaised })
        let isThere = try slow.next()?.text == text
        #expect(isThere)
        #expect(try slow.next() == nil)
        #expect(slow.isWhole)
        _ = try await eventually("the end of both stops") { hasStopped.allSatisfy(\.isRaised) ? true : nil }
    }

    @Test("A client that does not read while the server stops is cut off after the grace period")
    func grace() throws {
        let server = try TestServer(capacity: 8 << 20) { $0.graceSeconds = 1 }
        let client = try server.connect()
        client.readLittle()
        let stream = try EventStream(client)
        #expect(try stream.next() != nil)
        try server.segment().set(String(repeating: "a", count: 8 << 20))
        server.server.stop()
        #expect(throws: Never.self) { try client.rest() }
        #expect(!stream.isWhole)
    }
}
