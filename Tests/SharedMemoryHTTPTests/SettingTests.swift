import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("Setting", .fewAtATime)
struct SettingTests {
    let server: TestServer

    init() throws { server = try TestServer(capacity: 100_000) }

    @Test(
        "PUT sets the text in memory and returns its version",
        arguments: [
            "a", "", "ñ 漢 😀 \u{10FFFF}\u{0001}", String(repeating: "x", count: 100_000),
        ])
    func httpToMemory(text: String) throws {
        let response = try server.set(text)
        #expect(response.status == 204)
        #expect(response.body.isEmpty)
        #expect(response["Content-Length"] == nil)
        let snapshot = try server.segment().snapshot()
        #expect(snapshot.text == text)
        #expect(response["ETag"] == "\"\(snapshot.version)\"")
        #expect(snapshot.version.number == 1)
        let read = try server.request()
        #expect(read.text == text)
        #expect(read["ETag"] == response["ETag"])
    }

    @Test(
        "Any media type is accepted unless it names another charset than UTF-8",
        arguments: [
            "application/json", "application/x-www-form-urlencoded", "application/xml",
            "text/html; CHARSET=\"UTF-8\"", "",
        ])
    func mediaTypes(type: String) throws {
        #expect(try server.set("a=b&c=d", ["Content-Type: \(type)"]).status == 204)
        #expect(try server.segment().get() == "a=b&c=d")
    }

    @Test("Content-Encoding: identity is accepted", arguments: ["identity", "Identity"])
    func identity(coding: String) throws {
        #expect(try server.set("plain", ["Content-Encoding: \(coding)"]).status == 204)
    }

    @Test("A PUT without a body sets the empty text")
    func noBody() throws {
        try server.segment().set("something")
        #expect(try server.request("PUT").status == 204)
        #expect(try server.segment().get() == "")
    }

    @Test("Chunks of any size are joined to one text")
    func chunks() throws {
        for sizes in [[1], [3, 1, 2, 5], [60_000, 40_000], Array(repeating: 1, count: 500), []] {
            let client = try server.connect()
            let text = (0..<sizes.reduce(0, +)).map { UInt8(ascii: "a") + UInt8($0 % 26) }
            var rest = text[...]
            try client.send("PUT /shared HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n")
            for size in sizes {
                try client.send("\(String(size, radix: 16));x=\"y\"\r\n")
                try client.send(Array(rest.prefix(size)) + [13, 10])
                rest = rest.dropFirst(size)
            }
            try client.send("0\r\nTrailer: ignored\r\n\r\n")
            #expect(try client.response().status == 204)
            #expect(try server.segment().withBytes { $0.withUnsafeBytes { Array($0) } } == text)
        }
    }

    @Test("A body that arrives byte by byte, split within characters, is joined to one text")
    func slowBody() throws {
        let client = try server.connect()
        let text = Array("ñ😀".utf8)
        try client.send("PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: \(text.count)\r\n\r\n")
        for byte in text {
            try client.send([byte])
            usleep(1000)
        }
        #expect(try client.response().status == 204)
        #expect(try server.segment().get() == "ñ😀")
    }

    @Test("Expect: 100-continue is answered with 100, and the body is set")
    func expectation() throws {
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        #expect(try client.response().status == 100)
        try client.send("text")
        #expect(try client.response().status == 204)
        #expect(try server.segment().get() == "text")
    }

    @Test("One connection serves many requests, pipelined ones included")
    func keepAliveAndPipelining() throws {
        let client = try server.connect()
        for round in 0..<50 {
            #expect(try client.request("PUT", body: Array("\(round)".utf8)).status == 204)
            #expect(try client.request().text == "\(round)")
        }
        let set = "PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
        let get = "GET /shared HTTP/1.1\r\nHost: a\r\n\r\n"
        try client.send((10..<40).map { "\(set)\($0)\(get)" }.joined())
        for round in 10..<40 {
            #expect(try client.response().status == 204)
            #expect(try client.response().text == "\(round)")
        }
    }

    @Test("A body contains nothing of an earlier body on its connection, even of one that was refused")
    func bodyAfterBody() throws {
        let client = try server.connect()
        let segment = try server.segment()
        let requests: [(size: Int, fields: [String], status: Int)] = [
            (100, [], 204), (3, [], 204), (0, [], 204), (100_000, [], 204), (1, [], 204), (100_001, [], 413),
            (2, [], 204),
            (600, ["If-Match: \"other\""], 412), (500, [], 204), (513, [], 204), (4, [], 204),
        ]
        for (size, fields, status) in requests {
            let before = try segment.get()
            let text = String(repeating: "\(size % 7)", count: size)
            let response = try client.request("PUT", "/shared", fields, body: Array(text.utf8))
            #expect(response.status == status)
            #expect(try segment.get() == (status == 204 ? text : before))
        }
    }

    @Test("HTTP/1.0 is served, and needs no Host")
    func http10() throws {
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.0\r\nContent-Length: 3\r\n\r\nold")
        #expect(try client.response().status == 204)
        #expect(client.isEnded())
        #expect(try server.segment().get() == "old")
    }

    @Test("A body on a GET has no effect, and the connection stays open")
    func bodyOnGET() throws {
        let client = try server.connect()
        #expect(try client.request("GET", body: Array("body".utf8)).status == 200)
        #expect(try client.request("OPTIONS", body: Array("body".utf8)).status == 204)
        #expect(try client.request("HEAD", "/livez", body: Array("body".utf8)).status == 200)
        #expect(try client.request().status == 200)
        #expect(try server.segment().version.number == 0)
    }

    @Test("A PUT that is cut off in its body sets nothing", arguments: [true, false])
    func brokenOff(byReset: Bool) throws {
        try server.segment().set("before")
        for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
            let client = try server.connect()
            let piece = head.hasPrefix("T") ? "5\r\nhalf" : "half"
            try client.send("PUT /shared HTTP/1.1\r\nHost: a\r\n\(head)\r\n\r\n\(piece)")
            if byReset { client.reset() } else { client.shutDownSending() }
        }
        #expect(try server.request().text == "before")
    }
}
