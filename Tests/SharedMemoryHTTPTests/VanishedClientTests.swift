import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Clients whose host or network is gone: no end of the connection is ever received from them.
@Suite("Vanished clients", .fewAtATime)
struct VanishedClientTests {
    /// A server with one place for clients that wait.
    func server(_ configure: (inout ServerConfiguration) -> Void = { _ in }) throws -> TestServer {
        try TestServer {
            ($0.sendSeconds, $0.heartbeatSeconds, $0.watcherLimit) = (1, 1000, 1)
            configure(&$0)
        }
    }

    func placeBecomesFree(_ server: TestServer) async throws {
        _ = try await eventually("the vanished client's place", within: 60) {
            try EventStream(server.connect()).hasPlace ? true : nil
        }
    }

    @Test("The place of a vanished client becomes free, whether it polls or has a stream", arguments: [true, false])
    func waiting(isPoll: Bool) async throws {
        let server = try server()
        let version = try server.segment().set("text")
        let client = try server.connect()
        if isPoll {
            try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=300"])
            _ = try await eventually("the held poll") { try EventStream(server.connect()).hasPlace ? nil : true }
        } else {
            #expect(try EventStream(client).next() != nil)
        }
        try client.vanish()
        try await placeBecomesFree(server)
        extendLifetime(client)
    }

    @Test("The place of a client that vanishes becomes free although its events are sent")
    func whileSending() async throws {
        let server = try server { $0.heartbeatSeconds = 1 }
        let client = try server.connect()
        #expect(try EventStream(client).next() != nil)
        try client.vanish()
        try server.segment().set("never acknowledged")
        try await placeBecomesFree(server)
        extendLifetime(client)
    }

    @Test("A client that was away gets the newest text next, and none of those that it missed")
    func away() throws {
        let server = try server { $0.sendSeconds = 600 }
        let segment = try server.segment()
        let client = try server.connect()
        let stream = try EventStream(client)
        #expect(try stream.next() != nil)
        try client.vanish()
        // Those that are sent before the server can know of the silence count as sent; it takes a second.
        let count = 400
        for number in 1...count {
            try segment.set("\(number)")
            usleep(10_000)
        }
        client.comeBack()
        client.waitAtMost(milliseconds: 60_000)
        var events: [EventStream.Event] = []
        while events.last?.text != "\(count)", let event = try stream.next() { events.append(event) }
        #expect(events.last?.text == "\(count)")
        #expect(events.count < count / 2)
        #expect(events.map(\.number) == Set(events.map(\.number)).sorted())
    }

    @Test("The connection of a vanished client ends at its time, whatever it was doing")
    func otherRequests() async throws {
        let server = try TestServer(capacity: 16 << 20) {
            ($0.headSeconds, $0.bodySeconds, $0.sendSeconds, $0.idleSeconds) = (1, 1, 1, 1)
            $0.connectionLimit = 4
        }
        try server.segment().set(String(repeating: "x", count: 100_000))
        let requests = [
            "GET /sha", "PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
            "GET /shared HTTP/1.1\r\nHost: a\r\n\r\n", "",
        ]
        let clients = try requests.map { request in
            let client = try server.connect()
            try client.send(request)
            if request.hasPrefix("GET /shared") { _ = try client.piece() }
            try client.vanish()
            return client
        }
        // All connections are taken until theirs end.
        let client = try server.connect()
        client.waitAtMost(milliseconds: 60_000)
        #expect(try client.request("GET", "/livez").status == 200)
        extendLifetime(clients)
    }
}
