import Testing

@testable import HTTPMessages

/// The meaning of a request's headers, apart from its framing.
@Suite("Request head: meaning")
struct RequestHeadTests {
    // MARK: Content

    @Test("A body that cannot become the text has a content problem, and the request stays well framed")
    func content() {
        for (header, value, type) in [
            ("Content-Type", "text/plain; charset=latin1", .unsupportedMediaType),
            ("content-encoding", "gzip", .unsupportedMediaType), ("Content-Encoding", "", .unsupportedMediaType),
            ("Content-Encoding", "identity, gzip", .unsupportedMediaType),
            ("Content-Range", "bytes 0-0/6", .malformedRequest), ("Content-Range", "", .malformedRequest),
        ] as [(String, String, ProblemType)] {
            let head = RequestHead.reading(["Host": "a", header: value])
            #expect(head.contentProblem?.type == type, "\(header): \(value)")
            #expect(head.framingProblem == nil, "\(header): \(value)")
        }
    }

    @Test("A body that can become the text has no content problem")
    func goodContent() {
        for (header, value) in [
            ("Content-Type", "text/plain; charset=utf-8"), ("Content-Type", ""), ("Content-Encoding", "identity"),
            ("Content-Encoding", " Identity "), ("Content-Language", "en"),
        ] {
            #expect(RequestHead.reading(["Host": "a", header: value]).contentProblem == nil, "\(header): \(value)")
        }
    }

    @Test("A refused content coding names the accepted one, and is not forgotten for a later header")
    func contentCoding() {
        for headers in [
            ["Host": "a", "Content-Encoding": "gzip", "Content-Encoding": "identity"],
            ["Host": "a", "Content-Encoding": "identity", "Content-Encoding": "gzip"],
        ] as [KeyValuePairs<String, String>] {
            let problem = RequestHead.reading(headers).contentProblem
            #expect(problem?.headers.first?.name == .acceptEncoding)
            #expect(problem?.headers.first?.value == "identity")
        }
    }

    // MARK: Expectations

    @Test("The only expectation is 100-continue, in any case of its letters")
    func expectations() {
        for (values, expectsContinue, isUnknown) in [
            ([], false, false), (["100-continue"], true, false), (["100-CONTINUE"], true, false),
            ([" 100-continue "], true, false), (["100-continue", "100-continue"], true, false), (["x"], true, true),
            ([""], true, true), (["100-continue, x"], true, true), (["100-continue", "x"], true, true),
            (["x", "100-continue"], true, true), (["100"], true, true), (["100\rcontinue"], true, true),
        ] as [([String], Bool, Bool)] {
            let head = RequestHead.reading([("Host".bytes, "a".bytes)] + values.map { ("expect".bytes, $0.bytes) })
            #expect(head.expectsContinue == expectsContinue, "\(values)")
            #expect(head.hasUnknownExpectation == isUnknown, "\(values)")
        }
    }

    // MARK: Access

    @Test("Without a token, every request is authorized")
    func noToken() {
        #expect(RequestHead.reading(["Host": "a"]).authorization == .granted(token: nil))
        #expect(RequestHead.reading(["Host": "a", "Authorization": "Bearer x"]).authorization == .granted(token: nil))
    }

    @Test("With a token, a request is authorized if it has that token")
    func token() {
        let policy = AccessPolicy(tokens: [BearerToken("secret")].compactMap { $0 })
        #expect(RequestHead.reading(["Host": "a"], policy).authorization == .missing)
        for (value, authorization) in [
            ("Bearer secret", .granted(token: 0)), ("Bearer wrong", .wrong), ("Basic secret", .missing),
            ("Bearer ", .missing),
        ] as [(String, Authorization)] {
            let head = RequestHead.reading(["Host": "a", "authorization": value], policy)
            #expect(head.authorization == authorization, "\(value)")
        }
    }

    @Test("A request is for this host if Host is one of its names, or if any name is allowed")
    func hosts() {
        let policy = AccessPolicy(hosts: AllowedHosts(["one.example"]))
        #expect(RequestHead.reading(["Host": " one.example:80 "], policy).isForThisHost)
        #expect(!RequestHead.reading(["Host": "two.example"], policy).isForThisHost)
        #expect(!RequestHead.reading(["Host": ""], policy).isForThisHost)
        #expect(RequestHead.reading(["Host": "two.example"]).isForThisHost)
        // HTTP/1.0 has no Host, and no browser sends it.
        #expect(RequestHead.reading([:] as KeyValuePairs, policy, isHTTP10: true).isForThisHost)
    }

    // MARK: Wishes

    @Test("Accept is one list, however many headers it is spread over")
    func acceptance() {
        #expect(!RequestHead.reading(["Host": "a"]).acceptance.isEventStream)
        #expect(RequestHead.reading(["Host": "a", "accept": "text/event-stream"]).acceptance.isEventStream)
        #expect(
            RequestHead.reading(["Host": "a", "Accept": "text/plain;q=0.5", "Accept": "text/event-stream"])
                .acceptance.isEventStream)
        #expect(
            !RequestHead.reading(["Host": "a", "Accept": "text/event-stream", "Accept": "text/plain"])
                .acceptance.isEventStream)
    }

    @Test("The first wait preference counts")
    func preference() {
        #expect(RequestHead.reading(["Host": "a"]).waitSeconds == nil)
        #expect(RequestHead.reading(["Host": "a", "prefer": "wait=5"]).waitSeconds == 5)
        #expect(RequestHead.reading(["Host": "a", "Prefer": "x", "Prefer": "wait=5"]).waitSeconds == 5)
        #expect(RequestHead.reading(["Host": "a", "Prefer": "wait=5", "Prefer": "wait=6"]).waitSeconds == 5)
    }

    @Test("The last event id is text, if the client sends text")
    func lastEventID() {
        #expect(RequestHead.reading(["Host": "a"]).lastEventID == nil)
        #expect(RequestHead.reading(["Host": "a", "last-event-id": " 00ff-7\t"]).lastEventID == "00ff-7")
        #expect(RequestHead.reading(["Host": "a", "Last-Event-ID": ""]).lastEventID == "")
        #expect(RequestHead.reading([("Host".bytes, "a".bytes), ("Last-Event-ID".bytes, [0xff])]).lastEventID == nil)
    }

    @Test(
        "Each conditional header is a condition",
        arguments: [
            ("If-Match", "\"b\""), ("if-none-match", "\"a\""),
            ("IF-MODIFIED-SINCE", "Thu, 01 Jan 1970 00:00:09 GMT"),
            ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:01 GMT"),
        ])
    func conditions(_ name: String, _ value: String) {
        let without = RequestHead.reading(["Host": "a"])
        #expect(without.conditions.verdictForReading(EntityTag(opaque: "a"), lastModified: 5) == .proceed)
        #expect(!without.conditions.isPresent)
        let head = RequestHead.reading(["Host": "a", name: value])
        #expect(head.conditions.verdictForReading(EntityTag(opaque: "a"), lastModified: 5) != .proceed)
        #expect(head.conditions.isPresent)
    }

    @Test("A header of no interest has no effect")
    func ignored() {
        let head = RequestHead.reading([
            "Host": "a", "Cookie": "Expect: x", "Range": "bytes=0-0", "Connection": "Upgrade", "Upgrade": "h2c",
            "ETag": "\"a\"", "X-Content-Length": "5", "If-Range": "\"a\"", "TE": "gzip",
        ])
        #expect(head.framingProblem == nil && head.contentProblem == nil)
        #expect(!head.hasBody && !head.expectsContinue && !head.conditions.isPresent)
        #expect(head.waitSeconds == nil && head.lastEventID == nil && !head.acceptance.isEventStream)
    }
}
