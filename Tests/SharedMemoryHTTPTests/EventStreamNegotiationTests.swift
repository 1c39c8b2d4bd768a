import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Which requests get a stream, and how many.
@Suite("Event stream: negotiation and limits", .fewAtATime)
struct EventStreamNegotiationTests {
    @Test(
        "A client gets a stream only if it prefers text/event-stream to text/plain",
        arguments: [
            ("text/event-stream", true), ("text/plain;q=0.5, text/event-stream", true),
            ("text/plain, text/event-stream", false), ("text/event-stream;q=0", false), ("*/*", false),
        ])
    func negotiation(_ accept: String, _ isStream: Bool) throws {
        let server = try TestServer()
        let response = try server.request("GET", "/shared", ["Accept: \(accept)"])
        #expect(response["Content-Type"] == (isStream ? "text/event-stream" : "text/plain; charset=utf-8"))
    }

    @Test("Only a GET of a segment has a stream, and only without a body and with the token")
    func otherRequests() throws {
        let server = try TestServer()
        let accept = ["Accept: text/event-stream"]
        #expect(try server.request("PUT", "/shared", accept, body: [97]).status == 204)
        #expect(try server.request("GET", "/livez", accept).text == "alive\n")
        #expect(try server.request("GET", "/shared/nobody", accept).status == 404)
        #expect(try server.request("GET", "/shared", accept, body: [97]).status == 400)
        let locked = try TestServer { $0.tokens = [try AccessToken(TestServer.token)] }
        #expect(try locked.request("GET", "/shared", accept).status == 401)
        #expect(try locked.request("GET", "/shared", accept + ["Authorization: Bearer x"]).status == 401)
        let stream = try EventStream(locked.connect(), "/shared", [TestServer.bearer])
        #expect(try stream.next()?.text == "")
    }

    @Test("HTTP/1.0 gets a stream without chunks")
    func oldProtocol() throws {
        let server = try TestServer()
        try server.segment().set("old")
        let client = try server.connect()
        try client.send("GET /shared HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n")
        #expect(try client.response()["Transfer-Encoding"] == nil)
        #expect(try String(decoding: client.piece(), as: UTF8.self).hasSuffix("\ndata: old\n\n"))
        server.server.stop()
        #expect(try client.rest().isEmpty)
    }

    @Test("A stream requested behind a response that its client has yet to read begins once there is room")
    func pipelined() throws {
        let directory = try TemporaryDirectory()
        let server = try TestServer { $0.listen = [.unix(path: "\(directory.path)/socket")] }
        let segment = try server.segment()
        // Some of these lengths fill the socket's buffer to the last byte.
        for byteCount in stride(from: 190_000, through: 230_000, by: 1000) {
            let text = String(repeating: "a", count: byteCount)
            try segment.set(text)
            let client = try server.connect()
            try client.sendRequest("GET", "/shared")
            try client.sendRequest("GET", "/shared", ["Accept: text/event-stream"])
            #expect(try server.request("GET", "/livez").status == 200)
            #expect(try client.response().body.count == byteCount)
            let head = try client.response()
            #expect(head["Content-Type"] == "text/event-stream")
        }
    }

    @Test("HEAD says that a stream is one, and sends none of it")
    func head() throws {
        let server = try TestServer()
        let client = try server.connect()
        let response = try client.request("HEAD", "/shared", ["Accept: text/event-stream"])
        #expect(response.status == 200 && response["Content-Type"] == "text/event-stream")
        #expect(response["Content-Length"] == nil && response["Vary"] == "Accept")
        #expect(client.isEnded())
        let text = try server.request("HEAD", "/shared", ["Accept: text/event-stream;q=0.1, text/plain"])
        #expect(text["Content-Type"] == "text/plain; charset=utf-8")
    }

    @Test(
        "One stream beyond the limit ends at once, so that the client tries again, until another leaves; others are served"
    )
    func limit() async throws {
        let server = try TestServer { $0.watcherLimit = 2 }
        let first = try EventStream(server.connect())
        var second: EventStream? = try EventStream(server.connect())
        #expect(try first.next() != nil && second?.next() != nil)
        let refused = try server.connect()
        #expect(try refused.request("GET", "/shared", ["Accept: text/event-stream"]).status == 200)
        let rest = try String(decoding: refused.rest(), as: UTF8.self)
        #expect(rest.hasPrefix("retry: 3000\n: The server has as many subscribers as it allows."))
        #expect(rest.hasSuffix("\n\n"))
        #expect(try server.request().status == 200)
        // A client that leaves makes room even if the server has nothing to send to it.
        second = nil
        let third = try await eventually("room for another subscriber") {
            let stream = try EventStream(server.connect())
            return try stream.next() != nil ? stream : nil
        }
        try server.segment().set("for both")
        #expect(try [first, third].map { try $0.next()?.text } == ["for both", "for both"])
    }
}
