import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import Testing

@Suite("Event stream")
struct EventStreamTests {
    @Test("The present text comes first, then each later one, through whichever door it was set")
    func follows() throws {
        let server = try TestServer()
        let segment = try server.segment()
        try segment.set("before")
        let stream = try EventStream(server.connect())
        #expect(stream.response.status == 200)
        #expect(stream.response["Content-Type"] == "text/event-stream")
        #expect(stream.response["Cache-Control"] == "no-store")
        #expect(stream.response["Connection"] == "close")
        #expect(stream.response["Vary"] == "Accept")
        #expect(stream.response["ETag"] == nil)
        #expect(try stream.next() == .init(id: "\(segment.version)", data: Array("before".utf8)))
        for round in 0..<20 {
            let version =
                round % 2 == 0
                ? try segment.set("round \(round)").description
                : try #require(server.set("round \(round)")["ETag"]).filter { $0 != "\"" }
            #expect(try stream.next() == .init(id: version, data: Array("round \(round)".utf8)))
        }
    }

    static let texts = [
        "", " ", "\n", "\n\n", "\r", "\r\n", "\r\r\n\n", "a\n", "a\nb", "a\rb", "a\r\nb\r\n", "  leading", ":colon",
        "data: x",
        "id: 7\n\nevent: y", "\u{feff}bom", "käse 🦤 \u{10ffff}", "\u{85}\u{2028}\u{2029}\u{0b}\u{0c}",
        String(String.UnicodeScalarView((1...0x7f).map { Unicode.Scalar(UInt8($0)) })),
    ]

    @Test("Every text comes byte for byte, whatever ends its lines", arguments: texts)
    func bytes(_ text: String) throws {
        let server = try TestServer()
        let stream = try EventStream(server.connect())
        #expect(try stream.next()?.text == "")
        try server.segment().set(text)
        #expect(try stream.next()?.text == text)
        #expect(try EventStream(server.connect()).next()?.text == text)
    }

    @Test(
        "So do texts as long as the capacity, of lines and of none",
        arguments: [(1, 64 << 10), (1000, 1 << 20), (1 << 20, 1 << 20)])
    func longTexts(_ lineLength: Int, _ capacity: Int) throws {
        let server = try TestServer(capacity: capacity)
        let stream = try EventStream(server.connect())
        #expect(try stream.next()?.text == "")
        var generator = SplitMix(state: UInt64(lineLength))
        var text: [UInt8] = []
        while text.count < capacity {
            text += (0..<lineLength).map { _ in UInt8(ascii: "a") + UInt8(generator.next() % 26) }
            text += [[10], [13], [13, 10]][Int(generator.next() % 3)]
        }
        text = Array(text.prefix(capacity))
        try server.segment().set(utf8: text.span)
        let isSame = try stream.next()?.text == String(decoding: text, as: UTF8.self)
        #expect(isSame)
    }

    @Test("Who has the present version waits for the next; who has another gets the present one at once")
    func lastEventID() throws {
        let server = try TestServer()
        let segment = try server.segment()
        let old = try segment.set("old")
        let present = try segment.set("present")
        let knows = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(present)"])
        for id in [old.description, "", "x", "\(present)0", Version(instance: 1, number: 2).description] {
            let stream = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(id)"])
            #expect(try stream.next()?.text == "present", "\(id)")
        }
        try segment.set("next")
        #expect(try knows.next()?.text == "next")
    }

    @Test("Who begins to watch right after a change gets nothing older, whoever else watches")
    func beginsAfterChange() throws {
        let server = try TestServer()
        let other = try EventStream(server.connect())
        for round in 0..<300 {
            let known = try #require(server.set("known \(round)")["ETag"]).filter { $0 != "\"" }
            let knows = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(known)"])
            let present = try #require(server.set("present \(round)")["ETag"]).filter { $0 != "\"" }
            let stream = try EventStream(server.connect())
            try #require(try knows.next()?.id == present)
            try #require(try stream.next()?.id == present)
        }
        extendLifetime(other)
    }

    @Test("The first stream of a server is one like any other")
    func first() throws {
        let directory = try TemporaryDirectory()
        for _ in 0..<200 {
            let server = try TestServer { $0.directory = directory.path }
            try #require(try EventStream(server.connect()).next()?.text == "")
        }
    }

    @Test("Who comes when the server has not heard of a change yet is told of nothing older", arguments: [false, true])
    func unheard(_ isKnown: Bool) async throws {
        let server = try TestServer()
        try server.segment().set("old")
        let first = try EventStream(server.connect())
        #expect(try first.next()?.text == "old")
        let publisher = try await server.publisherThatWakesNobody()
        let known = isKnown ? ["Last-Event-ID: \(try server.segment().version)"] : []
        let second = try EventStream(server.connect(), "/shared", known)
        if !isKnown { #expect(try second.next()?.text == "from a stopped process") }
        try server.segment().set("new")
        #expect(try second.next()?.text == "new")
        publisher.kill()
    }

    @Test("A server that is started again goes on where the client was")
    func restart() throws {
        let directory = try TemporaryDirectory()
        var id = ""
        var version = ""
        do {
            let server = try TestServer { $0.directory = directory.path }
            try server.segment().set("seen")
            let stream = try EventStream(server.connect())
            id = try #require(try stream.next()).id
            server.server.stop()
            #expect(try stream.next() == nil)
            #expect(stream.isWhole)
        }
        let missed = try Segment.attach("text", AttachmentOptions(directory: directory.path)).set("missed")
        version = missed.description
        let server = try TestServer { $0.directory = directory.path }
        let stream = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(id)"])
        #expect(try stream.next() == .init(id: version, data: Array("missed".utf8)))
        let again = try EventStream(server.connect(), "/shared", ["Last-Event-ID: \(version)"])
        try server.directorySegment(directory).set("next")
        #expect(try again.next()?.text == "next")
        #expect(try stream.next()?.text == "next")
    }

    @Test("Of many quick changes a client gets some, in order, and the last")
    func coalesced() throws {
        let server = try TestServer()
        let segment = try server.segment()
        let streams = try (0..<50).map { _ in try EventStream(server.connect()) }
        let last = try (1...1000).map { try segment.set("\($0)") }[999]
        for stream in streams {
            var numbers: [UInt64] = []
            while numbers.last != last.number {
                let event = try #require(try stream.next())
                #expect(event.text == (event.number == 0 ? "" : "\(event.number)"))
                numbers.append(event.number)
            }
            #expect(numbers == Set(numbers).sorted())
        }
    }

    @Test("Each segment has its own watchers")
    func segments() throws {
        let server = try TestServer(segments: ["a", "b"])
        let a = try EventStream(server.connect(), "/shared/a")
        let b = try EventStream(server.connect(), "/shared/b")
        #expect(try [a, b].map { try $0.next()?.text } == ["", ""])
        try server.segment("b").set("for b")
        #expect(try b.next()?.text == "for b")
        try server.segment("a").set("for a")
        #expect(try a.next()?.text == "for a")
    }

    @Test("A silent stream says that it is alive")
    func heartbeat() throws {
        let server = try TestServer { $0.heartbeatSeconds = 1 }
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        for _ in 0..<3 { try stream.awaitComment() }
        #expect(stream.commentCount == 3)
        try server.segment().set("after")
        #expect(try stream.next()?.text == "after")
    }

    @Test("A stream outlives what ends other connections")
    func outlives() async throws {
        let server = try TestServer {
            ($0.headSeconds, $0.bodySeconds, $0.sendSeconds, $0.idleSeconds) = (1, 1, 1, 1)
        }
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        try await Task.sleep(for: .seconds(3.5))
        try server.segment().set("still there")
        #expect(try stream.next()?.text == "still there")
    }

    // MARK: Who gets one

    @Test(
        "Events are for who names them, and does not name plain text as gladly",
        arguments: [
            ("text/event-stream", true), ("TEXT/Event-Stream", true), ("text/event-stream;q=0.1", true),
            ("text/event-stream, */*", true), ("*/*;q=0.8 , text/event-stream ; q=0.5", true),
            ("text/plain;q=0.5, text/event-stream", true), ("text/event-stream;q=0", false), ("*/*", false),
            ("text/*", false),
            ("text/plain, text/event-stream", false), ("text/event-stream;q=0.5, text/plain;q=0.50", false),
            ("text/event-streams", false), ("text/event-stream;q=x", false), ("", false),
        ])
    func negotiation(_ accept: String, _ isStream: Bool) throws {
        let server = try TestServer()
        let response = try server.request("GET", "/shared", ["Accept: \(accept)"])
        #expect(response["Content-Type"] == (isStream ? "text/event-stream" : "text/plain; charset=utf-8"))
    }

    @Test("Only GET has a stream, only of a text, and without a body")
    func otherRequests() throws {
        let server = try TestServer()
        let accept = ["Accept: text/event-stream"]
        #expect(try server.request("HEAD", "/shared", accept)["Content-Type"] == "text/plain; charset=utf-8")
        #expect(try server.request("PUT", "/shared", accept, body: [97]).status == 204)
        #expect(try server.request("GET", "/livez", accept).text == "alive\n")
        #expect(try server.request("GET", "/shared/nobody", accept).status == 404)
        #expect(try server.request("GET", "/shared", accept, body: [97]).status == 400)
        let locked = try TestServer { $0.token = "secret" }
        #expect(try locked.request("GET", "/shared", accept).status == 401)
        #expect(try locked.request("GET", "/shared", accept + ["Authorization: Bearer x"]).status == 403)
        let stream = try EventStream(locked.connect(), "/shared", ["Authorization: Bearer secret"])
        #expect(try stream.next()?.text == "")
    }

    @Test("HTTP/1.0 gets it without chunks")
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

    @Test("Behind an answer that its client has yet to read, it begins when there is room")
    func pipelined() throws {
        let directory = try TemporaryDirectory()
        let server = try TestServer { $0.listen = [.unix(path: "\(directory.path)/socket")] }
        let segment = try server.segment()
        // With some of these, what the system keeps is full to the last byte.
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

    @Test("As many watch as may; others get 503, and everything else goes on")
    func limit() async throws {
        let server = try TestServer { $0.watcherLimit = 2 }
        let first = try EventStream(server.connect())
        var second: EventStream? = try EventStream(server.connect())
        #expect(try first.next() != nil && second?.next() != nil)
        let refused = try server.request("GET", "/shared", ["Accept: text/event-stream"])
        #expect(refused.status == 503 && refused["Retry-After"] == "1")
        #expect(try server.request().status == 200)
        // Who leaves makes room, whether or not there is something to send.
        second = nil
        let third = try await eventually("room for another") {
            let stream = try EventStream(server.connect())
            return stream.response.status == 200 ? stream : nil
        }
        #expect(try third.next() != nil)
        try server.segment().set("for both")
        #expect(try [first, third].map { try $0.next()?.text } == ["for both", "for both"])
    }

    // MARK: What can happen meanwhile

    @Test("A segment that is unlinked is followed into the next one of its name")
    func unlinked() throws {
        let server = try TestServer()
        let old = try server.segment().set("gone")
        let stream = try EventStream(server.connect())
        #expect(try stream.next()?.id == "\(old)")
        try Segment.unlink("text", directory: server.directory.path)
        let event = try #require(try stream.next())
        #expect(event.text == "" && event.number == 0)
        let version = try server.segment().set("new")
        #expect(version.instance != old.instance)
        #expect(try stream.next() == .init(id: "\(version)", data: Array("new".utf8)))
    }

    @Test("It is so even if the old one is set on and on")
    func unlinkedAndSet() throws {
        let server = try TestServer()
        let old = try server.segment()
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        let isEnough = Flag()
        Thread.detachNewThread {
            var number = 0
            while !isEnough.isRaised {
                number += 1
                _ = try? old.set("old \(number)")
            }
        }
        defer { isEnough.raise() }
        try Segment.unlink("text", directory: server.directory.path)
        let new = try server.segment()
        let version = try new.set("new")
        let deadline = ContinuousClock.now + .seconds(10)
        var event = try stream.next()
        while event?.id != "\(version)", ContinuousClock.now < deadline { event = try stream.next() }
        #expect(event == .init(id: "\(version)", data: Array("new".utf8)))
    }

    @Test("A file in its place that is no segment keeps the stream waiting until there is one")
    func unattached() async throws {
        let server = try TestServer { $0.heartbeatSeconds = 1 }
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        let path = server.directory.path(of: "text")
        // In the name's place, not into the file: that is still, or again, a living segment.
        try Data("not a segment".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        _ = try await eventually("a refusal") {
            try server.request("GET", "/shared", ["Accept: text/event-stream"]).status == 503 ? true : nil
        }
        try FileManager.default.removeItem(atPath: path)
        // The name may have led nowhere for long enough to be attached anew; then this comes twice.
        var event = try #require(try stream.next())
        try server.segment().set("again")
        if event.text == "" { event = try #require(try stream.next()) }
        #expect(event.text == "again")
    }

    @Test("A server that stops ends each stream after its last event, and within the grace")
    func stopped() throws {
        let server = try TestServer(capacity: 4 << 20) { $0.graceSeconds = 60 }
        let idle = try EventStream(server.connect())
        #expect(try idle.next() != nil)
        let slow = try EventStream(server.connect())
        let text = String(repeating: String(repeating: "a", count: 1023) + "\n", count: 4096)
        try server.segment().set(text)
        let isThere = try idle.next()?.text == text
        #expect(isThere)
        let hasStopped = Flag()
        Thread.detachNewThread {
            server.server.stop()
            hasStopped.raise()
        }
        #expect(try idle.next() == nil)
        #expect(idle.isWhole)
        #expect(!hasStopped.isRaised)
        // The event that was on its way comes to its end.
        var texts: [String] = []
        while let event = try slow.next() { texts.append(event.text) }
        let isLast = texts.last == text
        #expect(isLast && slow.isWhole)
    }

    @Test("A second stop waits for the first, and takes nothing from its grace")
    func stoppedTwice() async throws {
        let server = try TestServer(capacity: 4 << 20) { $0.graceSeconds = 60 }
        let slow = try EventStream(server.connect())
        #expect(try slow.next() != nil)
        let text = String(repeating: "a", count: 4 << 20)
        try server.segment().set(text)
        let hasStopped = [Flag(), Flag()]
        for flag in hasStopped {
            Thread.detachNewThread {
                server.server.stop()
                flag.raise()
            }
        }
        _ = try await eventually("a refused connection") { (try? server.connect()) == nil ? true : nil }
        try await Task.sleep(for: .milliseconds(100))
        #expect(!hasStopped.contains { $0.isRaised })
        let isThere = try slow.next()?.text == text
        #expect(isThere)
        #expect(try slow.next() == nil)
        #expect(slow.isWhole)
        _ = try await eventually("the end of both") { hasStopped.allSatisfy(\.isRaised) ? true : nil }
    }

    @Test("Who does not read when the server stops is cut off after the grace")
    func grace() throws {
        let server = try TestServer(capacity: 8 << 20) { $0.graceSeconds = 1 }
        let client = try server.connect()
        client.readLittle()
        let stream = try EventStream(client)
        #expect(try stream.next() != nil)
        try server.segment().set(String(repeating: "a", count: 8 << 20))
        server.server.stop()
        #expect(throws: Never.self) { try client.rest() }
        #expect(!stream.isWhole)
    }

    @Test("Who does not read what it is sent is dropped; others do not wait for it")
    func dropped() async throws {
        let server = try TestServer(capacity: 16 << 20) {
            $0.sendSeconds = 1
            $0.watcherLimit = 2
        }
        let client = try server.connect()
        client.readLittle()
        let stuck = try EventStream(client)
        #expect(try stuck.next() != nil)
        let other = try EventStream(server.connect())
        #expect(try other.next() != nil)
        // The allowance is a second, and one more for each 64 KiB.
        let text = String(repeating: "a", count: 256 << 10)
        let segment = try server.segment()
        for round in 0..<64 {
            try segment.set("\(round) \(text)")
            let isThere = try other.next()?.text == "\(round) \(text)"
            #expect(isThere)
        }
        let next = try await eventually("the stuck one's place") {
            let stream = try EventStream(server.connect())
            return stream.response.status == 200 ? stream : nil
        }
        #expect(try next.next() != nil)
    }

    @Test("It is dropped in time, however seldom there is a heartbeat")
    func droppedInTime() async throws {
        let server = try TestServer {
            ($0.sendSeconds, $0.heartbeatSeconds, $0.watcherLimit) = (1, 1000, 1)
        }
        let client = try server.connect()
        client.readLittle()
        let stuck = try EventStream(client)
        #expect(try stuck.next() != nil)
        // Of a million bytes the allowance is 15 seconds more.
        try server.segment().set(String(repeating: "a", count: 1_000_000))
        _ = try await eventually("the stuck one's place", within: 40) {
            try server.request("GET", "/shared", ["Accept: text/event-stream"]).status == 200 ? true : nil
        }
        extendLifetime(stuck)
    }

    @Test("Those who are still at older texts do not keep the memory from a newer one")
    func memory() throws {
        let server = try TestServer(capacity: 1 << 20) { $0.bytesInFlightLimit = 4 << 20 }
        let segment = try server.segment()
        var stuck: [EventStream] = []
        // Each is stuck at another text.
        for round in 0..<8 {
            let client = try server.connect()
            client.readLittle()
            stuck.append(try EventStream(client))
            try segment.set("\(round)" + String(repeating: "a", count: 1_000_000))
            Thread.sleep(forTimeInterval: 0.02)
        }
        let stream = try EventStream(server.connect())
        let text = "newest" + String(repeating: "b", count: 1_000_000)
        try segment.set(text)
        var events: [EventStream.Event] = []
        while events.last?.number != 9, let event = try stream.next() { events.append(event) }
        let isNewest = events.last?.text == text
        #expect(isNewest && events.map(\.number) == Set(events.map(\.number)).sorted())
        let isRead = try server.request().text == text
        #expect(isRead)
        extendLifetime(stuck)
    }

    @Test("Those who do not read what they are sent leave enough memory for who reads and sets")
    func memoryForOthers() throws {
        let text = String(repeating: "a", count: 1_000_000)
        for count in 6...9 {
            let server = try TestServer(capacity: 1 << 20) { $0.bytesInFlightLimit = 8 << 20 }
            let segment = try server.segment()
            var stuck: [EventStream] = []
            // Each is stuck at another text.
            for round in 0..<count {
                let client = try server.connect()
                client.readLittle()
                stuck.append(try EventStream(client))
                try segment.set("\(round)\(text)")
                Thread.sleep(forTimeInterval: 0.02)
            }
            #expect(try server.request().status == 200)
            #expect(try server.set("\(text)").status == 204)
            extendLifetime(stuck)
        }
    }

    @Test("A text of which each byte takes seven comes too, however little memory there is")
    func emptyLines() async throws {
        let server = try TestServer(capacity: 64 << 10) { $0.bytesInFlightLimit = 128 << 10 }
        let known = try server.segment().set("known")
        let stream = try EventStream(server.connect())
        #expect(try stream.next() != nil)
        let client = try server.connect()
        try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(known)\"", "Prefer: wait=60"])
        _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
        let text = String(repeating: "\n", count: 64 << 10)
        try server.segment().set(text)
        let isThere = try stream.next()?.text == text
        #expect(isThere)
        #expect(try client.response().body.count == text.utf8.count)
    }

    @Test("curl follows it")
    func curl() async throws {
        let server = try TestServer()
        let segment = try server.segment()
        let version = try segment.set("one")
        let curl = try ChildProcess(
            "/usr/bin/env", ["curl", "-sSN", "-H", "Accept: text/event-stream", "\(server.url)/shared"])
        _ = try await curl.line(beginning: "id: \(version)")
        _ = try await curl.line(beginning: "data: one")
        let next = try segment.set("two")
        _ = try await curl.line(beginning: "id: \(next)")
        _ = try await curl.line(beginning: "data: two")
        server.server.stop()
        let result = try await curl.finish()
        #expect(result.status == 0, "\(result.errors)")
    }
}

extension TestServer {
    /// This process's own way to a text in another directory.
    fileprivate func directorySegment(_ directory: TemporaryDirectory) throws -> Segment {
        try Segment.attach("text", AttachmentOptions(directory: directory.path))
    }
}
