import Testing

@testable import HTTPMessages

/// Where a request ends: two servers on its way must agree.
@Suite("Request head: framing")
struct RequestHeadFramingTests {
    @Test(
        "An unambiguous head has no framing problem",
        arguments: [
            ["Host": "a"], ["Host": "a", "Content-Length": "5"], ["Host": "a", "Transfer-Encoding": "chunked"],
            ["Host": "a", "transfer-encoding": "CHUNKED"], ["HOST": "a", "X": "b", "X": "c"],
        ] as [KeyValuePairs<String, String>])
    func unambiguous(_ headers: KeyValuePairs<String, String>) {
        #expect(RequestHead.reading(headers).framingProblem == nil)
    }

    @Test(
        "A header that two servers could read differently must not be repeated",
        arguments: [
            ("Host", "a", "a"), ("Content-Length", "1", "1"), ("Content-Length", "1", "2"),
            ("Transfer-Encoding", "chunked", "chunked"), ("Content-Type", "a/b", "a/b"),
            ("Authorization", "Bearer a", "Bearer a"),
        ])
    func repeated(_ name: String, _ first: String, _ second: String) {
        for other in [name, name.lowercased(), name.uppercased()] {
            var headers = [(name.bytes, first.bytes), (other.bytes, second.bytes)]
            if name != "Host" { headers.append(("Host".bytes, "a".bytes)) }
            let problem = RequestHead.reading(headers).framingProblem
            #expect(problem?.type == .malformedRequest, "\(other)")
            #expect(problem?.detail == "\(name) appears more than once.")
        }
    }

    @Test(
        "Any other header may be repeated",
        arguments: [
            "Accept", "Prefer", "Expect", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
            "Last-Event-ID", "Content-Encoding", "Content-Range", "Cookie", "X",
        ])
    func repeatable(_ name: String) {
        #expect(RequestHead.reading(["Host": "a", name: "\"b\"", name: "\"b\""]).framingProblem == nil)
    }

    @Test("Transfer-Encoding beside Content-Length is refused, in either order")
    func bothFramings() {
        for headers in [
            ["Host": "a", "Transfer-Encoding": "chunked", "Content-Length": "1"],
            ["Host": "a", "Content-Length": "1", "Transfer-Encoding": "chunked"],
            ["content-length": "0", "TRANSFER-ENCODING": "chunked", "Host": "a"],
        ] as [KeyValuePairs<String, String>] {
            let problem = RequestHead.reading(headers).framingProblem
            #expect(problem?.type == .malformedRequest)
            #expect(problem?.detail.hasPrefix("Transfer-Encoding ") == true)
        }
    }

    @Test("Transfer-Encoding in HTTP/1.0 is refused")
    func oldTransferEncoding() {
        let headers: KeyValuePairs = ["Host": "a", "Transfer-Encoding": "chunked"]
        #expect(RequestHead.reading(headers).framingProblem == nil)
        let problem = RequestHead.reading(headers, isHTTP10: true).framingProblem
        #expect(problem?.type == .malformedRequest)
        #expect(problem?.detail.hasPrefix("Transfer-Encoding ") == true)
    }

    @Test(
        "A transfer coding before the last one, chunked, is not implemented",
        arguments: [
            "gzip, chunked", "gzip,Chunked", "identity, chunked", "gzip;a=\"b, chunked\", chunked", "chunked ",
            "chunked\t",
            " chunked", "chunked,", ", chunked",
        ])
    func unknownCoding(_ coding: String) {
        let head = RequestHead.reading(["Host": "a", "Transfer-Encoding": coding])
        #expect(head.framingProblem?.type == .notImplemented)
        #expect(head.isChunked)
    }

    @Test(
        "A body whose last transfer coding is not chunked, or that is chunked twice, has no known end",
        arguments: [
            "gzip", "chunked, chunked", "chunked, identity", "identity", "chunked;x", "xchunked", "", ",",
            "\"chunked\"",
            "\u{b}chunked", "chunke", "chunkedx", "chunked, gzip, chunked", "gzip;a=\", chunked\"",
        ])
    func ambiguousCoding(_ coding: String) {
        let head = RequestHead.reading(["Host": "a", "Transfer-Encoding": coding])
        #expect(head.framingProblem?.type == .malformedRequest)
        #expect(head.isChunked)
    }

    @Test("Only HTTP/1.0 may leave out Host")
    func noHost() {
        let problem = RequestHead.reading(["X": "y"]).framingProblem
        #expect(problem?.type == .malformedRequest)
        #expect(problem?.detail == "The Host header is missing.")
        #expect(RequestHead.reading(["X": "y"], isHTTP10: true).framingProblem == nil)
    }

    @Test("A host has none of the bytes that would end it in a URL")
    func hostBytes() {
        let refused = Set(0...0x20).union(0x7f...0xff).union(",/?#@\\".utf8)
        for byte in UInt8.min...UInt8.max {
            let head = RequestHead.reading([("Host".bytes, [0x61, byte, 0x62])])
            #expect((head.framingProblem?.type == .malformedRequest) == refused.contains(byte), "\(byte)")
        }
        #expect(RequestHead.reading(["Host": ""]).framingProblem?.type == .malformedRequest)
        for host in ["a", "a:8080", "[::1]:80", "a_b", "%41", " a "] {
            #expect(RequestHead.reading(["Host": host]).framingProblem == nil, "\(host)")
        }
    }

    @Test("A header value has no control character but the tab, wherever it is in the value")
    func valueBytes() {
        for byte in UInt8.min...UInt8.max {
            for count in [0, 1, 7, 8, 9, 30] {
                let value = [UInt8](repeating: 0x61, count: count) + [byte] + [UInt8](repeating: 0x7a, count: 9)
                for name in ["X", "If-Match"] {
                    let problem = RequestHead.reading([("Host".bytes, "a".bytes), (name.bytes, value)]).framingProblem
                    #expect((problem != nil) == (byte < 32 && byte != 9 || byte == 127), "\(byte) after \(count)")
                }
            }
        }
    }

    @Test("A header name is a token")
    func nameBytes() {
        let tokens = Set("!#$%&'*+-.^_`|~".utf8).union(0x30...0x39).union(0x41...0x5a).union(0x61...0x7a)
        for byte in UInt8.min...UInt8.max {
            for name in [[byte], [0x61, byte], [byte, 0x7a]] {
                let problem = RequestHead.reading([("Host".bytes, "a".bytes), (name, "b".bytes)]).framingProblem
                #expect((problem == nil) == tokens.contains(byte), "\(name)")
                if let problem { #expect(problem.type == .malformedRequest) }
            }
        }
        #expect(RequestHead.reading(["Host": "a", "": "b"]).framingProblem?.type == .malformedRequest)
    }

    @Test("A head that is not as HTTP writes it is refused, whatever its headers say")
    func notIntact() {
        let head = RequestHead.reading(["Host": "a", "Transfer-Encoding": "gzip"], isIntact: false)
        #expect(head.framingProblem?.type == .malformedRequest)
        #expect(head.framingProblem?.detail.hasPrefix("The request head has a space") == true)
    }

    @Test("Of several framing problems, the first is reported")
    func firstProblem() {
        let coding = "gzip, chunked"
        #expect(
            RequestHead.reading(["Transfer-Encoding": coding, "Host": "a b"]).framingProblem?.type == .notImplemented)
        #expect(
            RequestHead.reading(["Host": "a b", "Transfer-Encoding": coding]).framingProblem?.type == .malformedRequest)
        #expect(
            RequestHead.reading(["Transfer-Encoding": coding, "Content-Length": "1"]).framingProblem?.type
                == .notImplemented)
    }

    @Test(
        "The content length is a decimal number; any other value counts as too long",
        arguments: [
            ("0", 0), ("5", 5), ("007", 7), (" 12 ", 12), ("18446744073709551615", .max),
            ("18446744073709551616", .max), ("99999999999999999999", .max), ("", .max), ("+1", .max), ("-1", .max),
            ("1 1", .max), ("1,1", .max), ("0x1", .max), ("1_0", .max), ("1.0", .max), ("\u{b}1", .max), ("१", .max),
        ] as [(String, UInt64)])
    func contentLength(_ value: String, _ byteCount: UInt64) {
        let head = RequestHead.reading(["Host": "a", "Content-Length": value])
        #expect(head.contentLength == byteCount)
        #expect(head.hasBody == (byteCount > 0))
        #expect(!head.isChunked)
    }

    @Test("A request has a body if it is chunked or has a content length other than zero")
    func hasBody() {
        #expect(!RequestHead.reading(["Host": "a"]).hasBody)
        #expect(!RequestHead.reading(["Host": "a", "Content-Length": "0"]).hasBody)
        #expect(RequestHead.reading(["Host": "a", "Content-Length": "1"]).hasBody)
        #expect(RequestHead.reading(["Host": "a", "Transfer-Encoding": "chunked"]).hasBody)
    }
}
