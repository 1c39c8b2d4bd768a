import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// The versions that a stream carries, and the bytes that carry them.
@Suite("Event stream: content", .fewAtATime)
struct EventStreamContentTests {
    @Test("A stream sends the current text, then each later version, whichever interface set it")
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

    /// A few of the texts of EventChunkTests.
    static let texts = [
        "", "\n", "a\r\nb\r\n", "id: 7\n\nevent: y", "käse 🦤 \u{10ffff}",
        String(String.UnicodeScalarView((1...0x7f).map { Unicode.Scalar(UInt8($0)) })),
    ]

    @Test("Text arrives byte for byte, whatever ends its lines", arguments: texts)
    func bytes(_ text: String) throws {
        let server = try TestServer()
        let stream = try EventStream(server.connect())
        #expect(try stream.next()?.text == "")
        try server.segment().set(text)
        #expect(try stream.next()?.text == text)
        #expect(try EventStream(server.connect()).next()?.text == text)
    }

    @Test(
        "Text as long as the capacity arrives byte for byte, with long lines and short ones",
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

    @Test("After many quick changes, a client has received some of them, in order, and the last")
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

    @Test("Each segment has its own subscribers")
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

    @Test("curl follows a stream to its end")
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
