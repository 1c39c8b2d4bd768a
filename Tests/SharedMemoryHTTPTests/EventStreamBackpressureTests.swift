import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Clients that do not read their streams: they are dropped, and neither time nor memory of others is theirs.
@Suite("Event stream: backpressure", .fewAtATime)
struct EventStreamBackpressureTests {
    @Test("A client that does not read is dropped, and other clients do not wait for it")
    func dropped() async throws {
        let server = try TestServer(capacity: 16 << 20) {
            $0.sendSeconds = 1
            $0.watcherLimit = 2
        }
        let client = try server.connect()
        client.readLittle()
        let stuck = try EventStream(client)
        #expect(try stuck.next() != nil)
        let other = try EventStream(server.connect())
        #expect(try other.next() != nil)
        // The time limit is a second, plus one more for each 64 KiB.
        let text = String(repeating: "a", count: 256 << 10)
        let segment = try server.segment()
        for round in 0..<64 {
            try segment.set("\(round) \(text)")
            let isThere = try other.next()?.text == "\(round) \(text)"
            #expect(isThere)
        }
        let next = try await eventually("the stuck client's place") {
            let stream = try EventStream(server.connect())
            return stream.hasPlace ? stream : nil
        }
        #expect(try next.next() != nil)
    }

    @Test("A client that does not read is dropped in time, however rare heartbeats are")
    func droppedInTime() async throws {
        let server = try TestServer {
            ($0.sendSeconds, $0.heartbeatSeconds, $0.watcherLimit) = (1, 1000, 1)
        }
        let client = try server.connect()
        client.readLittle()
        let stuck = try EventStream(client)
        #expect(try stuck.next() != nil)
        // For a million bytes, the time limit is 15 seconds longer.
        try server.segment().set(String(repeating: "a", count: 1_000_000))
        _ = try await eventually("the stuck client's place", within: 40) {
            try EventStream(server.connect()).hasPlace ? true : nil
        }
        extendLifetime(stuck)
    }

    // MARK: Memory

    /// Connects a client that never reads on once the server has begun to send it the current text.
    func stuckClient(of server: TestServer) throws -> RawClient {
        let client = try server.connect()
        client.readLittle()
        try client.requestEvents()
        #expect(try client.response().status == 200)
        // The stream's first event is the current text: any piece of the body is a piece of that.
        #expect(try !client.piece().isEmpty)
        return client
    }

    @Test("Subscribers still receiving older versions do not keep the memory from a newer one")
    func memory() throws {
        let server = try TestServer(capacity: 1 << 20) { $0.bytesInFlightLimit = 4 << 20 }
        let segment = try server.segment()
        var stuck: [RawClient] = []
        // Each client is stuck at a version of its own.
        for round in 0..<8 {
            try segment.set("\(round)" + String(repeating: "a", count: 1_000_000))
            stuck.append(try stuckClient(of: server))
        }
        let stream = try EventStream(server.connect())
        let text = "newest" + String(repeating: "b", count: 1_000_000)
        try segment.set(text)
        var events: [EventStream.Event] = []
        while events.last?.number != 9, let event = try stream.next() { events.append(event) }
        let isNewest = events.last?.text == text
        #expect(isNewest && events.map(\.number) == Set(events.map(\.number)).sorted())
        let isRead = try server.request().text == text
        #expect(isRead)
        extendLifetime(stuck)
    }

    @Test("Subscribers that do not read leave enough memory for clients that read and set", arguments: 6...9)
    func memoryForOthers(_ count: Int) throws {
        let text = String(repeating: "a", count: 1_000_000)
        let server = try TestServer(capacity: 1 << 20) { $0.bytesInFlightLimit = 8 << 20 }
        let segment = try server.segment()
        var stuck: [RawClient] = []
        // Each client is stuck at a version of its own.
        for round in 0..<count {
            try segment.set("\(round)\(text)")
            stuck.append(try stuckClient(of: server))
        }
        #expect(try server.request().status == 200)
        #expect(try server.set("\(text)").status == 204)
        extendLifetime(stuck)
    }

    @Test("An event seven times as long as its text is sent, however little memory there is")
    func emptyLines() async throws {
        let server = try TestServer(capacity: 64 << 10) { $0.bytesInFlightLimit = 128 << 10 }
        let known = try server.segment().set("known")
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        let client = try server.connect()
        try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(known)\"", "Prefer: wait=60"])
        _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
        let text = String(repeating: "\n", count: 64 << 10)
        try server.segment().set(text)
        let isThere = try stream.next()?.text == text
        #expect(isThere)
        #expect(try client.response().body.count == text.utf8.count)
    }
}
