import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// A client that takes too long is cut off, and other clients do not notice.
@Suite("Slow clients", .fewAtATime)
struct SlowClientTests {
    /// Sends `bytes` again and again until the server closes the connection.
    func trickle(_ client: RawClient, _ bytes: String) async throws {
        for _ in 0..<600 {
            try await Task.sleep(for: .milliseconds(100))
            do { try client.send(bytes) } catch { return }
        }
        Issue.record("the connection goes on")
    }

    func answers(_ server: TestServer) async throws {
        _ = try await eventually("a response to an honest client") { try? server.request().status == 200 ? true : nil }
    }

    @Test("A head that arrives too slowly ends its connection")
    func head() async throws {
        let server = try TestServer { $0.headSeconds = 1 }
        let client = try server.connect()
        try client.send("GET /shared HTTP/1.1\r\nHost: localhost\r\n")
        try await trickle(client, "X: y\r\n")
        #expect(try client.rest().isEmpty)
        let silent = try server.connect()
        #expect(try silent.rest().isEmpty)
        let endless = try server.connect()
        try await trickle(endless, "\r\n")
        #expect(try endless.rest().isEmpty)
        try await answers(server)
    }

    @Test("A later head that arrives too slowly ends its connection too")
    func laterHead() async throws {
        let server = try TestServer { $0.idleSeconds = 2 }
        let client = try server.connect()
        #expect(try client.request().status == 200)
        try client.send("GET /shared HTTP/1.1\r\nHost: localhost\r\n")
        try await trickle(client, "X: y\r\n")
        #expect(try client.rest().isEmpty)
        try await answers(server)
    }

    @Test("A body that arrives too slowly is 408 and sets nothing", arguments: ["/shared", "/nothing"])
    func body(target: String) async throws {
        let server = try TestServer { $0.bodySeconds = 1 }
        for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
            let client = try server.connect()
            try client.send("PUT \(target) HTTP/1.1\r\nHost: localhost\r\n\(framing)\r\n\r\n")
            try await trickle(client, framing.hasPrefix("T") ? "1\r\nx\r\n" : "x")
            let response = try client.response()
            #expect(response.status == 408)
            #expect(response["Connection"] == "close")
            #expect(response.problem["status"] as? Int == 408)
            #expect(try client.rest().isEmpty)
        }
        #expect(try server.segment().version.number == 0)
        try await answers(server)
    }

    @Test("An endless chunk size line is 400 long before the time of the body is up")
    func endlessChunkLine() async throws {
        let server = try TestServer { $0.bodySeconds = 3600 }
        // Beside it, one whose body is merely slow.
        let slow = try server.connect()
        try slow.send("PUT /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;")
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;")
        // The connection ends before all of it is sent.
        try? client.send(String(repeating: "evil", count: 1 << 19))
        let response = try client.response()
        #expect(response.status == 400 && response["Connection"] == "close")
        #expect(client.isEnded())
        try slow.send("x\r\nx\r\n0\r\n\r\n")
        #expect(try slow.response().status == 404)
        #expect(try server.segment().version.number == 0)
        try await answers(server)
    }

    @Test("A body that does not follow 100 Continue is 408")
    func expectedBody() throws {
        let server = try TestServer { $0.bodySeconds = 1 }
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        #expect(try client.response().status == 100)
        #expect(try client.response().status == 408)
        #expect(client.isEnded())
    }

    /// Requests more responses than the socket's buffers hold.
    func askAndNotRead(_ client: RawClient, count: Int = 20) throws {
        try client.send(String(repeating: "GET /shared HTTP/1.1\r\nHost: localhost\r\n\r\n", count: count))
    }

    @Test("A response that its client does not read is cut off")
    func reader() async throws {
        let directory = try TemporaryDirectory()
        let server = try TestServer {
            $0.listen = [.unix(path: "\(directory.path)/socket")]
            $0.sendSeconds = 1
        }
        try server.segment().set(String(repeating: "x", count: 60_000))
        let client = try server.connect()
        try askAndNotRead(client)
        _ = try await eventually("the end of the connection") { client.hasHungUp ? true : nil }
        #expect(try client.rest().count < 20 * 60_000)
        try await answers(server)
    }

    @Test("A response that its client reads slowly arrives whole")
    func slowButSteady() throws {
        let server = try TestServer(capacity: 8 << 20) { $0.sendSeconds = 1 }
        try server.segment().set(String(repeating: "x", count: 8 << 20))
        let client = try server.connect()
        try client.send("GET /shared HTTP/1.1\r\nHost: localhost\r\n\r\n")
        // Longer than the second, but shorter than the second plus one more for each 64 KiB.
        usleep(3_000_000)
        #expect(try client.response().body.count == 8 << 20)
    }

    // MARK: Half-closed connections

    @Test("A client that shuts down its sending side after a request gets the whole response")
    func halfClosedAfterRequest() throws {
        let server = try TestServer(capacity: 8 << 20)
        try server.segment().set(String(repeating: "x", count: 8 << 20))
        let client = try server.connect()
        try client.send("GET /shared HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.shutDownSending()
        usleep(3_000_000)
        #expect(try client.response().body.count == 8 << 20)
        #expect(client.isEnded())
    }

    @Test(
        "A client that shuts down its sending side within a request is cut off and sets nothing",
        arguments: [
            "GET /shared HT", "GET /shared HTTP/1.1\r\nHost: a\r\n",
            "PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
            "PUT /shared HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx",
            "PUT /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ])
    func halfClosedWithinRequest(part: String) throws {
        let server = try TestServer()
        let client = try server.connect()
        try client.send(part)
        client.shutDownSending()
        #expect(client.isEnded())
        #expect(try server.segment().version.number == 0)
        #expect(try server.request().status == 200)
    }
}

/// The memory for text in flight, which all requests share.
@Suite("Bytes in flight", .fewAtATime)
struct BytesInFlightTests {
    /// More than a socket's buffers hold.
    static let capacity = 1_000_000
    let directory: TemporaryDirectory
    let server: TestServer

    init() throws {
        let directory = try TemporaryDirectory()
        self.directory = directory
        server = try TestServer(capacity: Self.capacity) {
            $0.listen = [.unix(path: "\(directory.path)/socket")]
            $0.bytesInFlightLimit = 4 * Self.capacity
        }
    }

    func refusal(_ response: RawResponse) {
        #expect(response.status == 503)
        #expect(response["Retry-After"] == "1")
        #expect(response.problem["type"] as? String == "/openapi.yaml#/components/examples/unavailable")
    }

    @Test("Clients that do not read their responses hold as much text as the limit permits, and no more")
    func readers() async throws {
        let segment = try server.segment()
        var readers: [RawClient] = []
        for round in 0..<4 {
            try segment.set(String(repeating: "\(round)", count: Self.capacity))
            let reader = try server.connect()
            try reader.send("GET /shared HTTP/1.1\r\nHost: localhost\r\n\r\n")
            // Once the response has begun, the server holds its text, which does not fit into the socket's buffers.
            #expect(try !reader.piece().isEmpty)
            readers.append(reader)
        }
        try segment.set(String(repeating: "x", count: Self.capacity))
        refusal(try server.request())
        refusal(try server.set("more text"))
        #expect(try server.request("GET", "/livez").status == 200)
        readers.removeFirst()
        let response = try await eventually("the text") {
            let response = try server.request()
            return response.status == 200 ? response : nil
        }
        #expect(response.text == String(repeating: "x", count: Self.capacity))
    }

    @Test("Bodies being received count, and one beyond the limit is refused")
    func bodies() async throws {
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: Self.capacity)
        let writers = try (0..<4).map { _ in try server.connect() }
        for writer in writers {
            try writer.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.count)\r\n\r\n")
            try writer.send(body.dropLast() + [])
        }
        _ = try await eventually("a refusal") {
            let response = try server.request("PUT", body: Array("a few bytes".utf8))
            guard response.status != 204 else { return nil as Bool? }
            refusal(response)
            return true
        }
        let version = try server.segment().version
        for writer in writers { try writer.send([UInt8(ascii: "x")]) }
        let statuses = try writers.map { try $0.response().status }
        #expect(statuses == [204, 204, 204, 204])
        #expect(try server.segment().version.number == version.number + 4)
        #expect(try server.set("a few bytes").status == 204)
    }

    @Test("The memory of an aborted request is given back", arguments: [true, false])
    func brokenOff(byReset: Bool) async throws {
        for _ in 0..<20 {
            let writer = try server.connect()
            try writer.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(Self.capacity)\r\n\r\n")
            try? writer.send([UInt8](repeating: UInt8(ascii: "x"), count: Self.capacity - 1))
            if byReset { writer.reset() }
        }
        let body = [UInt8](repeating: UInt8(ascii: "y"), count: Self.capacity)
        _ = try await eventually("enough memory for a body and its text") {
            guard try server.request("PUT", body: body).status == 204 else { return nil as Bool? }
            return try server.request().status == 200 ? true : nil
        }
    }

    @Test("A limit too small for one request to set the text is refused")
    func tooFew() throws {
        #expect(throws: ServerError.self) {
            try TestServer(capacity: Self.capacity) { $0.bytesInFlightLimit = 2 * Self.capacity - 1 }
        }
        _ = try TestServer(capacity: Self.capacity) { $0.bytesInFlightLimit = 2 * Self.capacity }
    }
}
