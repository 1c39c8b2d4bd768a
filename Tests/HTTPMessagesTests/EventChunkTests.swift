import Testing

@testable import HTTPMessages

/// The bytes of an event stream, decoded by a decoder that knows only the standards.
@Suite("Event chunks")
struct EventChunkTests {
    static let texts = [
        "", " ", "\n", "\n\n", "\r", "\r\n", "\r\r\n\n", "a\n", "a\nb", "a\rb", "a\r\nb\r\n", "  leading", ":colon",
        "data: x", "id: 7\n\nevent: y", "\n:\n", "\u{feff}bom", "käse 🦤 \u{10ffff}",
        "\u{85}\u{2028}\u{2029}\u{0b}\u{0c}",
        String(String.UnicodeScalarView((1...0x7f).map { Unicode.Scalar(UInt8($0)) })),
        // Sizes at which the number of the chunk's size gets another digit.
        String(repeating: "x", count: 0xf - 14), String(repeating: "x", count: 0x10 - 14),
        String(repeating: "x", count: 0xff - 14), String(repeating: "x", count: 0x100 - 14),
        String(repeating: "\r\n", count: 0x8000), String(repeating: "漢", count: 0x5555),
    ]

    func sent(_ chunk: EventChunk, isChunked: Bool, from offset: Int = 0) -> [UInt8] {
        chunk.withBytes(from: offset, isChunked: isChunked) { span in span.indices.map { span[$0] } }
    }

    func contentByteCount(_ id: String, _ text: [UInt8]) -> Int {
        EventChunk.contentByteCount(id: id, text: text.span)
    }

    /// The events in the content of one chunk.
    func decode(_ chunk: EventChunk) throws -> EventStreamDecoder {
        EventStreamDecoder(try #require(EventStreamDecoder.content(ofChunks: sent(chunk, isChunked: true))))
    }

    /// Checks that an event carries `text` byte for byte.
    func check(_ text: [UInt8], id: String) throws {
        let chunk = EventChunk.event(id: id, text: text.span)
        let decoder = try decode(chunk)
        #expect(decoder.events.count == 1 && decoder.commentCount == 0)
        let event = try #require(decoder.events.first)
        #expect(event.id == id)
        let isSame = event.data.map { $0 == 0 ? 13 : $0 } == text
        #expect(isSame)
        // HTTP/1.0 gets the same content without the framing.
        let content = sent(chunk, isChunked: false)
        #expect(content == EventStreamDecoder.content(ofChunks: sent(chunk, isChunked: true)))
        #expect(content.count == contentByteCount(id, text))
        #expect(!chunk.isEnd)
    }

    // MARK: Events

    @Test("Text is decoded byte for byte, whatever ends its lines", arguments: texts)
    func bytes(_ text: String) throws {
        try check(text.bytes, id: "00ff-7")
        try check(text.bytes, id: "")
    }

    @Test("Random text of line endings and other bytes is decoded byte for byte")
    func randomBytes() throws {
        let alphabet: [UInt8] = [10, 10, 13, 13, 32, 58, 97, 0xc3, 0xa9, 100, 105]
        var state: UInt64 = 1
        for byteCount in 0..<600 {
            let text = (0..<byteCount).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return alphabet[Int((state >> 33) % UInt64(alphabet.count))]
            }
            try check(text, id: "\(byteCount)")
        }
    }

    @Test("An event is an id and a data line for each line of the text")
    func layout() {
        let chunk = EventChunk.event(id: "i-1", text: "a\n\rb".bytes.span)
        #expect(sent(chunk, isChunked: false) == "id: i-1\ndata: a\ndata: \0b\n\n".bytes)
        #expect(sent(chunk, isChunked: true) == "1a\r\nid: i-1\ndata: a\ndata: \0b\n\n\r\n".bytes)
    }

    @Test("Each line feed adds a data field to the byte count, and nothing else does")
    func byteCounts() {
        let empty = contentByteCount("", [])
        #expect(empty == "id: \ndata: \n\n".utf8.count)
        #expect(contentByteCount("abc", []) == empty + 3)
        #expect(contentByteCount("", "a\rb".bytes) == empty + 3)
        #expect(contentByteCount("", "\n\n".bytes) == empty + 14)
    }

    @Test("Sending can go on at any offset")
    func offsets() {
        for chunk in [
            EventChunk.event(id: "7", text: "a\nb".bytes.span), .heartbeat, .end, .head(date: 0, isChunked: true),
        ] {
            for isChunked in [true, false] {
                let bytes = sent(chunk, isChunked: isChunked)
                #expect(chunk.byteCount(isChunked: isChunked) == bytes.count)
                for offset in 0...bytes.count {
                    #expect(sent(chunk, isChunked: isChunked, from: offset) == Array(bytes[offset...]))
                }
            }
        }
    }

    // MARK: The rest of a stream

    @Test("A heartbeat is a comment")
    func heartbeat() throws {
        #expect(sent(.heartbeat, isChunked: true) == "3\r\n:\n\n\r\n".bytes)
        #expect(sent(.heartbeat, isChunked: false) == ":\n\n".bytes)
        let decoder = try decode(.heartbeat)
        #expect(decoder.events.isEmpty && decoder.commentCount == 1)
        #expect(!EventChunk.heartbeat.isEnd)
    }

    @Test("The end is the last chunk, and nothing in HTTP/1.0")
    func end() {
        #expect(sent(.end, isChunked: true) == "0\r\n\r\n".bytes)
        #expect(sent(.end, isChunked: false).isEmpty)
        #expect(EventChunk.end.isEnd)
    }

    @Test("A whole stream is decoded to its events, in order")
    func wholeStream() throws {
        let texts = Self.texts.prefix(10)
        let chunks = texts.enumerated().flatMap { index, text in
            [EventChunk.event(id: "\(index)", text: text.bytes.span), .heartbeat]
        }
        let body = (chunks + [.end]).flatMap { sent($0, isChunked: true) }
        let decoder = EventStreamDecoder(try #require(EventStreamDecoder.content(ofChunks: body)))
        #expect(decoder.events.map(\.id) == texts.indices.map { "\($0)" })
        #expect(decoder.events.map { $0.data.map { $0 == 0 ? 13 : $0 } } == texts.map(\.bytes))
        #expect(decoder.commentCount == texts.count)
        #expect(EventStreamDecoder(chunks.flatMap { sent($0, isChunked: false) }).events == decoder.events)
    }

    @Test("The head says that the body is an event stream, in chunks only for HTTP/1.1", arguments: [true, false])
    func head(isChunked: Bool) throws {
        let chunk = EventChunk.head(date: 784_111_777, isChunked: isChunked)
        let bytes = sent(chunk, isChunked: isChunked)
        #expect(bytes == sent(chunk, isChunked: !isChunked))
        let text = String(decoding: bytes, as: UTF8.self)
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        #expect(lines.first == "HTTP/1.1 200 OK" && lines.suffix(2) == ["", ""])
        let headers = Dictionary(
            lines.dropFirst().dropLast(2).map { line in
                (line.prefix { $0 != ":" }, line.drop { $0 != ":" }.dropFirst(2))
            }, uniquingKeysWith: { $0 + ", " + $1 })
        #expect(
            headers
                == [
                    "Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Content-Type": "text/event-stream",
                    "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no",
                    "Vary": "Accept", "Connection": "close",
                ].merging(isChunked ? ["Transfer-Encoding": "chunked"] : [:]) { $1 })
        #expect(!text.replacing("\r\n", with: "").contains { $0.isNewline })
        #expect(!chunk.isEnd)
    }
}
