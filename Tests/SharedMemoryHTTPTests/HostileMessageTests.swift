import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Messages that are not requests, or that two servers could read as different ones.
///
/// Each gets exactly the response it should, sets nothing, and leaves the server as it was.
@Suite("Hostile messages", .fewAtATime)
struct HostileMessageTests {
    let server: TestServer
    static let capacity = 1000

    init() throws {
        server = try TestServer(capacity: Self.capacity)
        try server.segment().set("before")
    }

    typealias Case = MessageCase<Outcome>

    enum Outcome {
        /// A problem of this status; the connection ends.
        case refused(Int)
        /// A problem of this status; the connection goes on.
        case answered(Int)
        /// A page of libmicrohttpd's own with this status; the connection ends.
        case page(Int)
        /// The connection ends without a response.
        case closed
    }

    static let host = "Host: localhost\r\n"
    static let get = "GET /shared HTTP/1.1\r\n\(host)"
    static let put = "PUT /shared HTTP/1.1\r\n\(host)"
    static let chunked = "\(put)Transfer-Encoding: chunked\r\n\r\n"
    /// Bytes that must never be read as a request.
    static let smuggled = "PUT /shared HTTP/1.1\r\n\(host)Content-Length: 8\r\n\r\nsmuggled"

    static let transferEncodings = [
        ("space before", "Transfer-Encoding:  chunked ", 501), ("tab after", "Transfer-Encoding: chunked\t", 501),
        ("vertical tab", "Transfer-Encoding: \u{b}chunked", 400), ("quoted", "Transfer-Encoding: \"chunked\"", 400),
        ("x", "Transfer-Encoding: xchunked", 400), ("list", "Transfer-Encoding: chunked, identity", 400),
        ("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
        ("twice, in two cases", "Transfer-Encoding: chunked\r\ntransfer-ENCODING: chunked", 400),
        ("space before the colon", "Transfer-Encoding : chunked", 400),
        ("space before the name", " Transfer-Encoding: chunked", 400),
        ("zero after", "Transfer-Encoding: chunked\0", 400), ("zero within", "Transfer-Encoding: chunked\0x", 400),
        ("carriage return", "Transfer-Encoding: chunked\rX: y", 400),
        ("line feed", "X: y\nTransfer-Encoding: chunked", 400), ("folded", "Transfer-Encoding:\r\n chunked", 400),
        ("beside a length", "Content-Length: 6\r\nTransfer-Encoding: chunked", 400),
        ("before a length", "Transfer-Encoding: chunked\r\nContent-Length: 3", 400),
        ("in mixed case, beside a length", "content-length: 6\r\ntRANSFER-eNCODING: chunked", 400),
    ].map { name, fields, status in
        Case("Transfer-Encoding: \(name)", "\(put)\(fields)\r\n\r\n1\r\nx\r\n0\r\n\r\n\(smuggled)", .refused(status))
    }

    static let heads = [
        ("bare line feeds", "GET /shared HTTP/1.1\nHost: localhost\n\n"),
        ("a bare line feed after the request line", "GET /shared HTTP/1.1\n\(host)\r\n"),
        ("a bare line feed between fields", "GET /shared HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n"),
        ("a bare line feed at the end", "\(get)\n"), ("two bare line feeds at the end", "\(get)X: y\n\n"),
        ("a carriage return in a value", "\(get)X: a\rb\r\n\r\n"), ("two at the end of a line", "\(get)X: a\r\r\n\r\n"),
        ("a folded line", "\(get)X: y\r\n z\r\n\r\n"), ("a zero in a value", "\(get)X: y\0z\r\n\r\n"),
        ("a line that begins with a zero", "\(get)\0\r\n\(smuggled)"),
        ("an empty name", "\(get): c\r\n\(smuggled)"),
        ("an empty name first", "GET /shared HTTP/1.1\r\n: c\r\n\(host)\r\n"),
        ("an empty name and an empty value", "\(get):\r\n\(smuggled)"), ("an empty name last", "\(get): c\r\n\r\n"),
        ("a zero in the target", "GET /shared\0x HTTP/1.1\r\n\(host)\r\n"),
        ("a version behind a zero", "GET /shared\0HTTP/1.1\0\0 HTTP/1.1\r\n\(host)\r\n"),
        ("a zero in the method", "GET\0X /shared HTTP/1.1\r\n\(host)\r\n"),
        ("two spaces", "GET  /shared HTTP/1.1\r\n\(host)\r\n"), ("a tab", "GET /shared\t HTTP/1.1\r\n\(host)\r\n"),
        ("a space in the query", "GET /shared? HTTP/1.1 HTTP/1.1\r\n\(host)\r\n"),
        ("a control character", "GET /sha\u{1}red HTTP/1.1\r\n\(host)\r\n"),
        ("DEL", "GET /shared\u{7f} HTTP/1.1\r\n\(host)\r\n"), ("beyond ASCII", "GET /shared/ñ HTTP/1.1\r\n\(host)\r\n"),
        ("% and no digits", "GET /shared%zz HTTP/1.1\r\n\(host)\r\n"),
        ("% at the end", "GET /shared?% HTTP/1.1\r\n\(host)\r\n"),
        ("% and one digit", "GET /shared%4 HTTP/1.1\r\n\(host)\r\n"),
        ("a length with a zero", "\(put)Content-Length: 1\u{0}0\r\n\r\nx"),
    ].map { Case("Head: \($0)", $1, .refused(400)) }

    static let expectations = [
        Case("Expect: unknown", "\(put)Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", .refused(417)),
        Case("Expect: in a list", "\(put)Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\n", .refused(417)),
        Case("Expect: twice", "\(put)Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n\r\n", .refused(417)),
        Case("Expect: empty", "\(put)Expect:\r\nContent-Length: 1\r\n\r\n", .refused(417)),
        Case("Expect: without a body", "\(get)Expect: x\r\n\r\n", .answered(417)),
    ]

    static let targets = [
        Case("Target: another host", "GET http://evil/shared HTTP/1.1\r\n\(host)\r\n", .answered(421)),
        Case("Target: another scheme", "GET ftp://localhost/shared HTTP/1.1\r\n\(host)\r\n", .answered(404)),
        Case("Target: an authority", "CONNECT localhost:80 HTTP/1.1\r\n\(host)\r\n", .answered(404)),
        Case("Target: an authority in a GET", "GET localhost:80 HTTP/1.1\r\n\(host)\r\n", .answered(404)),
        Case("Target: * in a GET", "GET * HTTP/1.1\r\n\(host)\r\n", .answered(400)),
        Case("A bell in a value", "\(get)X: a\u{7}b\r\n\r\n", .refused(400)),
        Case("Target: %00", "GET /shared%00 HTTP/1.1\r\n\(host)\r\n", .answered(404)),
        Case("Target: %2F", "GET /shared%2Ftext HTTP/1.1\r\n\(host)\r\n", .answered(404)),
        Case("Target: ..", "GET /shared/../livez HTTP/1.1\r\n\(host)\r\n", .answered(404)),
        Case("Target: //", "GET //shared HTTP/1.1\r\n\(host)\r\n", .answered(404)),
        Case("Target: long", "GET /\(String(repeating: "x", count: 5000)) HTTP/1.1\r\n\(host)\r\n", .answered(404)),
        Case("Method: in lower case", "get /shared HTTP/1.1\r\n\(host)\r\n", .answered(501)),
        Case("Method: not a token", "G(T /shared HTTP/1.1\r\n\(host)\r\n", .answered(501)),
        Case("Method: long", "\(String(repeating: "G", count: 5000)) /shared HTTP/1.1\r\n\(host)\r\n", .answered(501)),
    ]

    static let pages =
        [
            ("+1", 400), ("-1", 400), ("0x1", 400), ("1_0", 400), ("", 400), ("1 1", 400), ("1, 1", 400), ("1 ", 400),
            ("\u{b}1", 400), ("18446744073709551616", 413),
        ].map { Case("Content-Length: \($0)", "\(put)Content-Length: \($0)\r\n\r\nevil", .page($1)) }
        + [
            ("+1", 400), ("-1", 400), ("0x1", 400), (" 1", 400), ("1 ", 400), ("1_0", 400), ("", 400), (";x", 400),
            ("1\0", 400), ("1\rx", 400), ("evil", 400), ("10000000000000000", 413),
        ].map { Case("Chunk: \($0)", "\(chunked)\($0)\r\nx\r\n0\r\n\r\n\(smuggled)", .page($1)) }
        + [
            Case("Chunk: longer than its size", "\(chunked)1\r\nxx\r\n0\r\n\r\n\(smuggled)", .page(400)),
            Case("Trailer: not a field", "\(chunked)1\r\nx\r\n0\r\nevil\r\n\r\n\(smuggled)", .page(400)),
            Case(
                "Trailer: long", "\(chunked)1\r\nx\r\n0\r\nX: \(String(repeating: "evil", count: 1 << 16))", .page(431)),
            Case("Head: not a field", "\(get)evil\r\n\r\n", .page(400)),
            Case("Head: a zero in a name", "\(get)evil\0X: y\r\n\r\n", .page(400)),
            Case("Head: one long field", "\(get)X: \(String(repeating: "evil", count: 25_000))\r\n\r\n", .page(431)),
            Case("Head: thousands of fields", "\(get)\(String(repeating: "X: evil\r\n", count: 5000))\r\n", .page(431)),
            Case(
                "Head: hundreds of cookies", "\(get)Cookie: \(String(repeating: "evil=b;", count: 1000))\r\n\r\n",
                .page(431)),
            Case(
                "Target: too long", "GET /\(String(repeating: "evil", count: 25_000)) HTTP/1.1\r\n\(host)\r\n",
                .page(414)),
            Case(
                "Method: too long", "\(String(repeating: "evil", count: 25_000)) / HTTP/1.1\r\n\(host)\r\n", .page(414)),
            Case("Target: none", "GET  HTTP/1.1\r\n\(host)\r\n", .page(400)),
            Case("HTTP/0.9", "GET /evil\r\n", .page(400)),
            Case("HTTP/0.9 with a version", "GET /evil HTTP/0.9\r\n\r\n", .page(505)),
            Case("HTTP/2.0", "GET /evil HTTP/2.0\r\n\(host)\r\n", .page(505)),
            Case("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .page(505)),
            Case("http/1.1", "GET /evil http/1.1\r\n\(host)\r\n", .page(400)),
            Case("HTTP/1.1x", "GET /evil HTTP/1.1evil\r\n\(host)\r\n", .page(400)),
            Case("HTTP/11", "GET /evil HTTP/11\r\n\(host)\r\n", .page(400)),
            Case("HTTP/1.1 and a space", "GET /evil HTTP/1.1 \r\n\(host)\r\n", .page(400)),
        ]

    static let silences = [
        Case("A method alone", "GET\r\n\r\n", .closed),
        Case("A space first", " GET /shared HTTP/1.1\r\n\(host)\r\n", .closed),
        Case("Tabs instead of spaces", "GET\t/shared\tHTTP/1.1\r\n\(host)\r\n", .closed),
        // A hello with bytes that look like line feeds.
        Case(
            "TLS",
            [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3] + [UInt8](repeating: 0x0a, count: 32) + [0x20, 0x61, 0x0a], .closed
        ),
    ]

    @Test(
        "Each hostile message gets exactly its response and sets nothing",
        arguments: transferEncodings + heads + expectations + targets + pages + silences)
    func outcome(of message: Case) throws {
        let client = try server.connect()
        // The server may refuse it and close the connection before all of it is sent.
        try? client.send(message.request)
        switch message.outcome {
        case .refused(let status), .answered(let status):
            let response = try client.response()
            #expect(response.status == status)
            #expect(response["Content-Type"] == "application/problem+json")
            #expect(response.problem["status"] as? Int == status)
            if case .refused = message.outcome {
                #expect(response["Connection"] == "close")
                #expect(try client.rest().isEmpty)
            } else {
                #expect(try client.request().text == "before")
            }
        case .page(let status):
            let page = String(decoding: try client.rest(), as: UTF8.self)
            // Empty if the system reset the connection because of bytes that the server did not read.
            #expect(page.hasPrefix("HTTP/1.1 \(status) ") || page.isEmpty && message.request.count > 50_000)
            #expect(!page.contains("evil"))
        case .closed:
            #expect(try client.rest().isEmpty)
        }
        #expect(try server.request().text == "before")
        #expect(try server.segment().version.number == 1)
    }

    // MARK: After a request

    @Test(
        "Bytes after a chunked request are not read as a request, whatever ended the chunks",
        arguments: [
            "1\r\nx\r\n0\r\n\r\n", "1\nx\n0\n\n", "1;a=b\r\nx\r\n0\r\n\r\n", "1;\nx\r\n0\r\n\r\n",
            "1;Content-Length: 1\r\nx\r\n0\r\n\r\n", "00000000000000000000001\r\nx\r\n0\r\n\r\n",
            "1\r\nx\r\n0\r\nX: y\r\n\r\n", "1\r\nx\r\n0\r\nContent-Length: 5\r\nHost: evil\r\n\r\n",
            "1\r\nx\r\n0\r\nX: y\r\n: c\r\n", "1\r\nx\r\n0\r\n: c\r\n\r\n",
        ])
    func afterChunks(chunks: String) throws {
        for (target, status) in [("/shared", 204), ("/nothing", 404)] {
            let client = try server.connect()
            try client.send(
                "PUT \(target) HTTP/1.1\r\n\(Self.host)Transfer-Encoding: chunked\r\n\r\n\(chunks)\(Self.smuggled)")
            let response = try client.response()
            #expect(response.status == status)
            #expect(response["Connection"] == "close")
            #expect(try client.rest().isEmpty)
        }
        let client = try server.connect()
        try client.send("\(Self.get)Transfer-Encoding: chunked\r\n\r\n\(chunks)\(Self.smuggled)")
        #expect(try client.response().text == "x")
        #expect(try client.rest().isEmpty)
    }

    @Test("A chunk whose size overflows sets nothing")
    func endlessChunk() throws {
        let client = try server.connect()
        try client.send("\(Self.chunked)FFFFFFFFFFFFFFFF\r\n\(String(repeating: "x", count: 2000))")
        client.shutDownSending()
        #expect(try client.rest().isEmpty)
        #expect(try server.request().text == "before")
    }

    @Test("Hundreds of pipelined requests are answered in order")
    func pipeline() throws {
        let client = try server.connect()
        let round = "\(Self.put)Content-Length: 1\r\n\r\nx\(Self.get)\r\n\(Self.get)Content-Length: 3\r\n\r\nGET"
        try client.send(String(repeating: round, count: 300))
        for _ in 0..<300 {
            #expect(try client.response().status == 204)
            #expect(try client.response().text == "x")
            #expect(try client.response().text == "x")
        }
        #expect(try client.request().status == 200)
    }

    @Test(
        "After a request whose end is ambiguous, nothing is read as a request",
        arguments: [
            ("\(put)Transfer-Encoding: x\r\n\r\n", 400), ("\(put)Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
            ("GET /sha\u{1}red HTTP/1.1\r\n\(host)\r\n", 400), ("\(get)X: y\nZ: z\r\n\r\n", 400), ("evil\r\n\r\n", nil),
        ] as [(String, Int?)])
    func badInPipeline(bad: String, status: Int?) throws {
        let client = try server.connect()
        try client.send("\(Self.get)\r\n\(bad)\(Self.smuggled)")
        #expect(try client.response().text == "before")
        if let status { #expect(try client.response().status == status) }
        #expect(try client.rest().isEmpty)
        #expect(try server.segment().get() == "before")
    }

    @Test("A long query, a long list of ranges, an upgrade and many headers have no effect")
    func ignored() throws {
        let client = try server.connect()
        let query = "GET /shared?\(String(repeating: "a=b&", count: 3000)) HTTP/1.1\r\n\(Self.host)\r\n"
        let ranges = "\(Self.get)Range: bytes=\((0..<1300).map { "5-\($0)" }.joined(separator: ","))\r\n\r\n"
        let upgrade = "\(Self.get)Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n"
        let fields = "\(Self.get)\((0..<100).map { "X\($0): y\r\n" }.joined())\r\n"
        for request in [query, ranges, upgrade, fields] {
            try client.send(request)
            #expect(try client.response().text == "before")
        }
    }

    @Test("HTTP/1.0 keeps a connection open only on request")
    func http10() throws {
        let client = try server.connect()
        for _ in 0..<2 {
            try client.send("GET /shared HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try client.response().text == "before")
        }
        try client.send("GET http://localhost/shared HTTP/1.1\r\n\(Self.host)\r\n")
        #expect(try client.response().text == "before")
        try client.send("GET /shared HTTP/1.0\r\n\r\n")
        #expect(try client.response().text == "before")
        #expect(client.isEnded())
    }

    @Test("100-continue is answered with 100, in any case of its letters", arguments: ["100-continue", "100-Continue"])
    func expectation(value: String) throws {
        let client = try server.connect()
        try client.send("\(Self.put)Expect: \(value)\r\nContent-Length: 5\r\n\r\n")
        #expect(try client.response().status == 100)
        try client.send("after")
        #expect(try client.response().status == 204)
        #expect(try server.segment().get() == "after")
    }
}
