import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Requests at the edge of what HTTP allows, on either side of it.
///
/// The cases are those of Http11Probe that ``HostileMessageTests`` and ``BadInputTests`` lack. Where HTTP leaves a choice, the
/// expected outcome is what this service has chosen.
@Suite("Cases of Http11Probe", .fewAtATime)
struct ProbeCaseTests {
    let server: TestServer

    init() throws {
        server = try TestServer(capacity: 1000)
        try server.segment().set("before")
    }

    typealias Case = MessageCase<Outcome>

    enum Outcome {
        /// Responses of these statuses, in this order; the connection goes on. Afterwards, the text is this.
        case served([Int], text: String = "before")
        /// A response of this status; the connection ends. Afterwards, the text is this.
        case last(Int, text: String = "before")
        /// A page of libmicrohttpd's own with this status; the connection ends.
        case page(Int)
        /// The connection ends without a response.
        case closed
    }

    static let host = HostileMessageTests.host
    static let get = HostileMessageTests.get
    static let put = HostileMessageTests.put
    static let chunked = HostileMessageTests.chunked
    /// A request that must be read as part of a body, or not at all.
    static let smuggled = HostileMessageTests.smuggled
    static let webSocket = "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

    static let heads = [
        Case("A carriage return ends the first line", "GET /shared HTTP/1.1\r\(host)\r\n", .page(400)),
        Case("No target", "GET HTTP/1.1\r\n\(host)\r\n", .page(400)),
        Case("HTTP/1", "GET /evil HTTP/1\r\n\(host)\r\n", .page(400)),
        Case("HTTP/01.01", "GET /evil HTTP/01.01\r\n\(host)\r\n", .page(400)),
        Case("HTTP/ 1.1", "GET /evil HTTP/ 1.1\r\n\(host)\r\n", .page(400)),
        Case("HTTP/1.2", "GET /shared HTTP/1.2\r\n\(host)\r\n", .served([200])),
        Case("Empty lines first", "\r\n\r\n\(get)\r\n", .served([200])),
        Case("Blanks alone", "   \r\n\r\n", .closed),
        Case("A line of blanks before the fields", "GET /evil HTTP/1.1\r\n \r\n\(host)\r\n", .page(400)),
        Case("A tab in a name", "\(put)Content-Length: 5\r\nContent\tLength: 99\r\n\r\nafter", .last(400)),
        Case("A long name", "\(get)\(String(repeating: "evil", count: 25_000)): y\r\n\r\n", .page(431)),
    ]

    static let targets = [
        Case("A fragment", "PUT /shared#text HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nafter", .served([404])),
        Case("A backslash", "GET /shared\\text HTTP/1.1\r\n\(host)\r\n", .served([404])),
        Case("An encoded end of line", "GET /shared%0d%0aX:%20evil HTTP/1.1\r\n\(host)\r\n", .served([404])),
        Case("CONNECT to another host", "CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n", .served([421])),
    ]

    static let methodsAndFields = [
        Case("TRACE", "TRACE /shared HTTP/1.1\r\n\(host)Authorization: Bearer evil\r\n\r\n", .served([405])),
        Case("TRACE with a body", "TRACE /shared HTTP/1.1\r\n\(host)Content-Length: 4\r\n\r\nevil", .served([405])),
        Case("Upgrade without Connection", "\(get)\(webSocket)\r\n", .served([200])),
        Case(
            "Upgrade to an unknown version",
            "\(get)Connection: Upgrade\r\n\(webSocket)Sec-WebSocket-Version: 99\r\n\r\n", .served([200])),
        Case("Upgrade of a PUT", "\(put)Connection: Upgrade\r\n\(webSocket)\r\n", .served([204], text: "")),
        Case(
            "Upgrade in HTTP/1.0", "GET /shared HTTP/1.0\r\n\(host)Connection: Upgrade\r\n\(webSocket)\r\n",
            .last(200)),
        Case("Range: not a range", "\(get)Range: bytes=abc-xyz\r\n\r\n", .served([200])),
        Case(
            "Range of a PUT", "\(put)Range: bytes=0-1\r\nContent-Length: 5\r\n\r\nafter",
            .served([204], text: "after")),
        Case(
            "Expect in HTTP/1.0",
            "PUT /shared HTTP/1.0\r\n\(host)Expect: 100-continue\r\nContent-Length: 5\r\n\r\nafter",
            .last(204, text: "after")),
        Case("Cookie: empty", "\(get)Cookie: \r\n\r\n", .served([200])),
        Case("Cookie: not a cookie", "\(get)Cookie: ===;;;\r\n\r\n", .served([200])),
        Case("Cookie: blanks and =", "\(get)Cookie: a=b c; d=e=f\r\n\r\n", .served([200])),
        Case(
            "Transfer_Encoding", "\(put)Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nafter",
            .served([204], text: "after")),
        Case(
            "Content_Length", "\(put)Content-Length: 5\r\nContent_Length: 99\r\n\r\nafter",
            .served([204], text: "after")),
    ]

    /// Lengths that are decimal, and blanks before them, which are not part of them.
    static let lengths: [Case] =
        [("005", 5), ("0200", 200), ("00", 0), ("  5", 5), ("\t5", 5)].map { value, count in
            let text = String(repeating: "x", count: count)
            return Case(
                "Content-Length: \(value)", "\(put)Content-Length:\(value)\r\n\r\n\(text)\(get)\r\n",
                .served([204, 200], text: text))
        }
        + ["abc", "-0", "0o5", "5, 10", "5, 5, 5"].map {
            Case("Content-Length: \($0)", "\(put)Content-Length: \($0)\r\n\r\nevil", .page(400))
        }

    static let codingsBesideALength: [Case] =
        [
            ("xchunked", 400), ("chunked ", 501), ("chunked, chunked", 400), ("Chunked", 400), ("", 400),
            (", chunked", 501), ("chunked,", 501), ("\u{c}chunked", 400), ("\tchunked", 400), ("chunked;x=y", 400),
            ("identity", 400),
        ].map { coding, status in
            Case(
                "Transfer-Encoding: \(coding), beside a length",
                "\(put)Transfer-Encoding: \(coding)\r\nContent-Length: 5\r\n\r\n0\r\n\r\n\(smuggled)", .last(status))
        }
        + ["+5", "5x"].map {
            Case(
                "Transfer-Encoding beside Content-Length: \($0)",
                "\(put)Content-Length: \($0)\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\(smuggled)", .last(400))
        }
        + [
            Case(
                "Transfer-Encoding beside a length, in HTTP/1.0",
                "PUT /shared HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nafter",
                .last(400)),
            Case(
                "Transfer-Encoding beside the length of a chunk's first line",
                "\(put)Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                    + "\(String(smuggled.utf8.count, radix: 16))\r\n\(smuggled)\r\n0\r\n\r\n", .last(400)),
            Case(
                "Transfer-Encoding folded, in OPTIONS",
                "OPTIONS /shared HTTP/1.1\r\n\(host)Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n"
                    + "0\r\n\r\n\(smuggled)", .last(400)),
        ]

    /// A chunk extension is ignored, whatever is in it: after chunks, nothing is read as a request.
    static let chunks: [Case] =
        [
            ("an extension that is not a token", "5;bad[=x\r\nafter\r\n0\r\n\r\n"),
            ("a zero in an extension", "5;\0x\r\nafter\r\n0\r\n\r\n"),
            ("a carriage return in an extension", "5;x\ry\r\nafter\r\n0\r\n\r\n"),
            ("a bare line feed after the data", "5\r\nafter\n0\r\n\r\n"),
            ("a bare line feed at the end", "5\r\nafter\r\n0\r\n\n"),
            ("a coding in the trailer", "5\r\nafter\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("a token in the trailer", "5\r\nafter\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
            ("a type in the trailer", "5\r\nafter\r\n0\r\nContent-Type: x/y; charset=x\r\n\r\n"),
        ].map { Case("Chunks: \($0)", "\(chunked)\($1)\(smuggled)", .last(204, text: "after")) }
        + [
            Case(
                "Chunks: a size in capitals", "\(chunked)A\r\n0123456789\r\n0\r\n\r\n",
                .last(204, text: "0123456789")),
            Case("Chunks: no end of line after the data", "\(chunked)4\r\nevil0\r\n\r\n\(smuggled)", .page(400)),
        ]

    /// Bytes behind a request, or in the body of one that has no use for it.
    static let sequences = [
        Case(
            "A byte behind a length of 0", "\(put)Content-Length: 0\r\n\r\nX\(get)\r\n",
            .served([204, 501], text: "")),
        Case(
            "A request in the body of HEAD",
            "HEAD /shared HTTP/1.1\r\n\(host)Content-Length: \(smuggled.utf8.count)\r\n\r\n\(smuggled)",
            .served([200])),
        Case(
            "A request in the body of OPTIONS",
            "OPTIONS /shared HTTP/1.1\r\n\(host)Content-Length: \(smuggled.utf8.count)\r\n\r\n\(smuggled)",
            .served([204])),
        Case(
            "The beginning of a request in the body of GET, and its end behind it",
            "\(get)Content-Length: \(put.utf8.count)\r\n\r\n\(put)\r\n\(get)\r\n", .served([200, 200])),
        Case(
            "A body that does not wait for 100, and another request",
            "\(put)Expect: 100-continue\r\nContent-Length: 5\r\n\r\nafter\(get)\r\n",
            .served([100, 204, 200], text: "after")),
    ]

    @Test(
        "Each case has exactly its outcome",
        arguments: heads + targets + methodsAndFields + lengths + codingsBesideALength + chunks + sequences)
    func outcome(of message: Case) throws {
        let client = try server.connect()
        // The server may refuse it and close the connection before all of it is sent.
        try? client.send(message.request)
        var text = "before"
        switch message.outcome {
        case .served(let statuses, let newText):
            for status in statuses { try expect(status, from: client, to: message) }
            #expect(try client.request().text == newText)
            text = newText
        case .last(let status, let newText):
            try expect(status, from: client, to: message)
            #expect(try client.rest().isEmpty)
            text = newText
        case .page(let status):
            let page = String(decoding: try client.rest(), as: UTF8.self)
            // Empty if the system reset the connection because of bytes that the server did not read.
            #expect(page.hasPrefix("HTTP/1.1 \(status) ") || page.isEmpty && message.request.count > 50_000)
            #expect(!page.contains("evil"))
        case .closed:
            #expect(try client.rest().isEmpty)
        }
        #expect(try server.request().text == text)
    }

    func expect(_ status: Int, from client: RawClient, to message: Case) throws {
        let response = try client.response(to: message.request.starts(with: "HEAD ".utf8) ? "HEAD" : "GET")
        #expect(response.status == status)
        #expect(!response.text.contains("evil"))
        if status >= 400 { #expect(response.problem["status"] as? Int == status) }
    }
}
