import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// A client learns that it was refused, even while it is sending, and what it was told is what happened.
@Suite("Refusals and ends of connections", .fewAtATime)
struct RefusalTests {
    @Test(
        "A client that sends all of a body that is too long before it reads gets the refusal", arguments: [1, 17 << 20])
    func refusalArrives(excess: Int) throws {
        let capacity = 32 << 20
        let server = try TestServer(capacity: capacity)
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: capacity + excess)
        for _ in 0..<5 {
            let client = try server.connect()
            try client.sendRequest("PUT", body: body)
            let response = try client.response()
            #expect(response.status == 413)
            #expect(response.problem["capacity"] as? Int == capacity)
            #expect(response["Connection"] == "close" && response["Date"] != nil)
            #expect(client.isEnded())
        }
        #expect(try server.segment().version.number == 0)
    }

    @Test(
        "A client that sends pieces without end gets the refusal while it is sending",
        arguments: ["/shared", "/nothing"])
    func endlessChunks(target: String) throws {
        let server = try TestServer(capacity: 1000)
        let client = try server.connect()
        try client.send("PUT \(target) HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = "10000\r\n" + String(repeating: "x", count: 1 << 16) + "\r\n"
        // More than the server reads before it refuses.
        for _ in 0..<600 { try client.send(chunk) }
        #expect(try client.response().status == 413)
        #expect(client.isEnded())
        #expect(try server.segment().version.number == 0)
    }

    @Test(
        "A client that sends on after a request that cannot be read gets the refusal",
        arguments: [
            "Content-Length: 30000000\r\nTransfer-Encoding: identity", "Content-Length: 30000000\r\nContent-Range: x",
        ])
    func malformed(fields: String) throws {
        let server = try TestServer()
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n\r\n")
        try client.send([UInt8](repeating: UInt8(ascii: "x"), count: 30_000_000))
        #expect([400, 501].contains(try client.response().status))
        #expect(client.isEnded())
    }

    @Test(
        "A client that sends all of a head that is too long before it reads gets the refusal",
        arguments: [("GET /", 414), ("GET /shared HTTP/1.1\r\nHost: localhost\r\nX: ", 431)])
    func endlessHead(beginning: String, status: Int) throws {
        let server = try TestServer()
        let client = try server.connect()
        try client.send(beginning)
        for _ in 0..<50 { try client.send([UInt8](repeating: UInt8(ascii: "x"), count: 1 << 16)) }
        #expect(try client.response().status == status)
        #expect(client.isEnded())
        #expect(try server.request().status == 200)
    }

    @Test("A refusal while the client sends has the headers that any other has")
    func headers() throws {
        let server = try TestServer(capacity: 1000)
        let client = try server.connect()
        try client.sendRequest("POST", "/shared", body: [UInt8](repeating: UInt8(ascii: "x"), count: 17 << 20))
        let response = try client.response()
        #expect(response.status == 405 && response["Allow"]?.contains("PUT") == true)
    }

    @Test("A refusal of HEAD has no content, and each refusal has the reason phrase of its status")
    func headOnly() throws {
        let server = try TestServer()
        for (method, content) in [("HEAD", ""), ("GET", "{")] {
            let client = try server.connect()
            try client.send("\(method) /shared HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")
            let rest = try String(decoding: client.rest(), as: UTF8.self)
            #expect(rest.hasPrefix("HTTP/1.1 400 Bad Request\r\n"), "\(rest)")
            let end = try #require(rest.range(of: "\r\n\r\n"))
            #expect(rest[end.upperBound...].prefix(1) == content)
        }
    }

    @Test("A client whose connection waits to be accepted when the server stops gets a refusal, and not a reset")
    func waitingAtTheEnd() throws {
        let server = try TestServer { $0.connectionLimit = 1 }
        let first = try server.connect()
        #expect(try first.request().status == 200)
        let second = try server.connect()
        try second.sendRequest("PUT", body: Array("never".utf8))
        server.server.stop()
        let response = try second.response()
        #expect(response.status == 503 && response["Retry-After"] == "1" && response["Connection"] == "close")
        #expect(try server.segment().version.number == 0)
    }

    @Test(
        "A client that is turned away can go on: EventSource connects again, and a request not yet sent is not answered"
    )
    func turnedAway() throws {
        let server = try TestServer { $0.connectionLimit = 1 }
        let first = try server.connect()
        #expect(try first.request().status == 200)
        let clients = try (0..<4).map { _ in try server.connect() }
        try clients[0].requestEvents()
        try clients[1].sendRequest("HEAD", "/shared", ["Accept: text/event-stream"])
        try clients[2].send("GET /shared HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n")
        server.server.stop()
        // Any status but 200 would end an EventSource for good.
        let stream = try EventStream(clients[0], response: clients[0].response())
        #expect(stream.response.status == 200 && stream.response["Content-Type"] == "text/event-stream")
        #expect(try stream.next() == nil && stream.commentCount == 1)
        let head = try String(decoding: clients[1].rest(), as: UTF8.self)
        #expect(head.hasPrefix("HTTP/1.1 503 ") && head.hasSuffix("\r\n\r\n"))
        #expect(clients[2].isEnded() && clients[3].isEnded())
    }

    @Test("A server stops while clients come and go at the limit of connections")
    func stoppedAtTheLimit() throws {
        for _ in 0..<100 {
            let server = try TestServer { $0.connectionLimit = 1 }
            let isOver = Flag()
            for _ in 0..<3 {
                Thread.detachNewThread {
                    while !isOver.isRaised { _ = try? server.connect().request() }
                }
            }
            _ = try server.request()
            server.server.stop()
            isOver.raise()
        }
    }

    @Test("A client that goes on sending after a refusal is cut off in the end")
    func boundedReading() async throws {
        let server = try TestServer(capacity: 1000)
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        #expect(try client.response().status == 413)
        let _: Bool = try await eventually("the end of the connection") {
            (try? client.send(String(repeating: "x", count: 1000))) == nil ? true : nil
        }
        #expect(try server.request().status == 200)
    }

    @Test("A request that arrives when the time of its connection is up has an answer or no effect")
    func noEffectAfterTheEnd() async throws {
        let directory = try TemporaryDirectory()
        let server = try ChildProcess(
            ChildProcess.product("sharedmem"),
            ["serve", "text", "--listen", "127.0.0.1:0", "--directory", directory.path, "--idle-timeout", "1"])
        let url = try await server.line(beginning: "listening on ")
        let port = try #require(URLComponents(string: url)?.port.flatMap { UInt16(exactly: $0) })
        let segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        for round in 0..<4 {
            let clients = try (0..<50).map { _ in try RawClient(host: "127.0.0.1", port: port) }
            for client in clients { #expect(try client.request().status == 200) }
            server.send(SIGSTOP)
            try await server.stopped()
            let before = try segment.version.number
            // The time of all connections goes by while the server stands still.
            try await Task.sleep(for: .milliseconds(1200))
            for (index, client) in clients.enumerated() {
                try client.sendRequest("PUT", body: Array("\(round) \(index)".utf8))
            }
            server.send(SIGCONT)
            let answered = clients.filter { (try? $0.response().status) == 204 }.count
            let _: Bool = try await eventually("the end of all requests") {
                clients.allSatisfy { $0.hasHungUp } ? true : nil
            }
            #expect(try Int(segment.version.number - before) == answered)
        }
    }
}
