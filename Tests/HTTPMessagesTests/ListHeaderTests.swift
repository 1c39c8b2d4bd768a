import Testing

@testable import HTTPMessages

/// Headers whose value is a list of elements with parameters.
@Suite("Accept")
struct AcceptanceTests {
    func isEventStream(_ values: String...) -> Bool {
        var acceptance = Acceptance()
        for value in values { acceptance.add(value.bytes.span) }
        return acceptance.isEventStream
    }

    @Test(
        "A client gets a stream only if it prefers text/event-stream to text/plain",
        arguments: [
            ("text/event-stream", true), ("TEXT/Event-Stream", true), ("text/event-stream;q=0.1", true),
            ("text/event-stream, */*", true), ("*/*;q=0.5 , text/event-stream ; q=0.8", true),
            ("text/plain;q=0.5, text/event-stream", true), ("text/event-stream, text/plain;q=0.999", true),
            ("text/event-stream;q=0.001", true), ("text/event-stream;Q=1", true), (" ,text/event-stream,", true),
            ("text/event-stream;charset=utf-8;q=0.5", true), ("text/event-stream;a=\"x,y;q=0\"", true),
            ("text/event-stream;q=0.5;q=0", true), ("a/b;c=\"\\\"\", text/event-stream", true),
            // A wildcard counts for what is not named, and the more specific range counts.
            ("*/*, text/plain;q=0.5", true), ("text/plain;q=0, */*;q=0.1", true),
            ("text/*;q=0.2, text/plain;q=0.1", true),
            ("*/*;q=0, text/event-stream;q=0.1", true), ("text/event-stream;q=0.3, text/*;q=0.2, */*", true),
            ("text/event-stream;q=0.1, text/event-stream;charset=utf-8, text/plain;q=0.5", true),
            ("text/plain;charset=utf-8;q=0.1, text/plain, text/event-stream;q=0.5", true),
            ("text/plain;charset=utf-16, text/event-stream;q=0.1", true),
            ("text/event-stream; Charset=\"UTF-8\"", true),
            ("text/event-stream;charset=latin1", false), ("*/*;q=0.8, text/event-stream;q=0.5", false),
            ("text/*;q=0.8, text/event-stream;q=0.5", false),
            ("text/*;q=0.5, text/event-stream;q=0.5, */*;q=0.1", true),
            ("*/*, text/event-stream;q=0", false), ("*/*;q=0.1, text/*;q=0.5", false), ("*", false),
            ("TEXT/*, text/plain;q=0.9", true), ("*/plain, text/event-stream;q=0.1", true),
            ("text/event-stream;q=0", false), ("text/event-stream;Q=0", false), ("text/event-stream;q=0.000", false),
            ("*/*", false), ("text/*", false),
            ("text/plain, text/event-stream", false), ("text/event-stream;q=0.5, text/plain;q=0.50", false),
            ("text/event-stream;q=0.5, text/plain;q=0.501", false), ("text/event-streams", false),
            ("text/event-strea", false), ("text/event-stream;q=x", false), ("text/event-stream;q=", false),
            ("text/event-stream;q=-1", false), ("text/event-stream;q=.5", false), ("text/event-stream;q=0.1234", false),
            ("text/event-stream;q=0.5x", false), ("text /event-stream", false), ("", false), (",", false),
            ("a/b;c=\"text/event-stream\"", false), ("a/b;c=\", text/event-stream", false),
        ])
    func preference(_ accept: String, _ isStream: Bool) {
        #expect(isEventStream(accept) == isStream)
    }

    @Test("Qualities are compared to the thousandth")
    func qualities() {
        func text(_ thousandths: Int) -> String {
            let digits = String(thousandths % 1000)
            return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
        }
        for quality in 1...1000 {
            #expect(isEventStream("text/event-stream;q=\(text(quality)), text/plain;q=\(text(quality - 1))"))
            #expect(!isEventStream("text/event-stream;q=\(text(quality)), text/plain;q=\(text(quality))"))
            #expect(!isEventStream("text/event-stream;q=\(text(quality - 1)), text/plain;q=\(text(quality))"))
        }
    }

    @Test("A quality above one counts as one")
    func tooGood() {
        #expect(!isEventStream("text/event-stream;q=9, text/plain"))
        #expect(!isEventStream("text/event-stream;q=1.5, text/plain;q=1"))
    }

    @Test("The best of several mentions counts, in one header or several")
    func repeated() {
        #expect(isEventStream("text/event-stream;q=0.2, text/plain;q=0.5, text/event-stream;q=0.7"))
        #expect(isEventStream("text/event-stream;q=0.7, text/event-stream;q=0.2, text/plain;q=0.5"))
        #expect(isEventStream("text/plain;q=0.5", "text/event-stream"))
        #expect(!isEventStream("text/event-stream", "text/plain;q=0", "text/plain"))
        #expect(!isEventStream())
    }
}

@Suite("Prefer")
struct PreferenceTests {
    func read(_ value: String) -> Preference.Wait { Preference.wait(value.bytes.span) }

    @Test(
        "The first wait preference is read, in any of its forms",
        arguments: [
            ("wait=1", 1), ("WAIT=1", 1), ("wait=\"1\"", 1), ("wait = 1", 1), ("respond-async, wait=1", 1),
            ("a=\"x, wait=9\"; b=c, wait=1;d=e", 1), ("wait=1, wait=60", 1), ("wait=0", 0), ("wait=007", 7),
            ("a, wait=60", 60), ("wait=9223372036854775808", .max), ("wait=18446744073709551615", .max),
        ])
    func wait(_ value: String, _ seconds: Int) {
        #expect(read(value) == .seconds(seconds))
    }

    @Test(
        "A value without a wait preference is ignored",
        arguments: [
            "", "wait", "respond-async", "x;wait=60", "waiting=60", "await=60", "wait x=60", "a=\"wait=60\"",
        ])
    func ignored(_ value: String) {
        #expect(read(value) == .none)
    }

    @Test(
        "A wait preference in anything but whole seconds is malformed",
        arguments: [
            "wait=", "wait=x", "wait=-1", "wait=+1", "wait=1.5", "wait=1s", "wait=\"", "wait=18446744073709551616",
        ])
    func malformed(_ value: String) {
        #expect(read(value) == .malformed)
    }
}

@Suite("Content-Type")
struct ContentTypeTests {
    func isUTF8(_ type: String) -> Bool { ContentType.isUTF8(type.bytes.span) }

    @Test(
        "Any media type is accepted if its charset is UTF-8 or left out",
        arguments: [
            "text/plain", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
            "text/html; charset=utf-8", "text/html; CHARSET=\"UTF-8\"", "text/plain;charset=Utf-8;format=flowed",
            "text/plain; name=\"a;charset=latin1\"; charset=utf-8", "text/plain ; charset = utf-8 ", "nonsense", "",
            ";", "charset=latin1", "text/plain; xcharset=latin1", "text/plain; charset",
            "text/plain; a=\"\\\";charset=latin1\"", "text/plain; charset=US-ASCII",
            "text/plain; a=\"x;y\"; charset=us-ascii",
        ])
    func utf8(_ type: String) {
        #expect(isUTF8(type))
    }

    @Test(
        "A multipart type is recognized",
        arguments: [("multipart/form-data", true), ("MULTIPART/x", true), ("multipart", false)])
    func multipart(_ type: String, _ isMultipart: Bool) {
        #expect(ContentType.isMultipart(type.bytes.span) == isMultipart)
    }

    @Test(
        "Another charset is refused",
        arguments: [
            "text/plain; charset=iso-8859-1", "text/plain;charset=utf-16", "text/plain; Charset=\"latin1\"",
            "text/plain; charset=", "text/plain; charset=\"\"", "text/plain; charset=ascii",
            "text/plain; charset=utf-8; charset=utf-16", "text/plain; charset=utf-16; charset=utf-8",
            "text/plain; charset=utf8", "text/plain; charset=utf-8x", "text/plain; charset=\"utf-8", ";charset=latin1",
            "text/plain; charset=utf-8 x",
        ])
    func otherCharset(_ type: String) {
        #expect(!isUTF8(type))
    }
}
