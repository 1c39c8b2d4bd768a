import Testing

@testable import HTTPMessages

@Suite("Received events")
struct EventParserTests {
    private func parts(_ stream: String, pieceByteCount: Int = .max, limit: Int = 1000) throws -> [EventParser.Part] {
        var parser = EventParser(limit: limit)
        var rest = Array(stream.utf8)[...]
        var parts: [EventParser.Part] = []
        while !rest.isEmpty {
            parts += try parser.read(Array(rest.prefix(pieceByteCount)))
            rest = rest.dropFirst(pieceByteCount)
        }
        return parts
    }

    private func event(_ data: String, id: String = "", name: String = "message") -> EventParser.Part {
        var event = ReceivedEvent()
        (event.data, event.id, event.name) = (Array(data.utf8), id, name)
        return .event(event)
    }

    @Test("Lines end as HTML says, wherever a piece ends", arguments: ["\n", "\r\n", "\r"], [1, 2, 3, 7, 1000])
    func lines(_ lineEnd: String, pieceByteCount: Int) throws {
        let stream = [
            "id: a-1", "data: x", "data:y", "data", "", ": still here", "", "event: removed", "data: z", "", "",
        ]
        let parts = try parts(stream.joined(separator: lineEnd), pieceByteCount: pieceByteCount)
        #expect(
            parts == [event("x\ny\n", id: "a-1"), .comment("still here"), event("z", id: "a-1", name: "removed")])
    }

    @Test("What a server of ours sends is read as it was", arguments: ["", "a", "a\nb", "\n", "\r\n", "a\r", "é\n\n"])
    func ownEvents(_ text: String) throws {
        let chunk = EventChunk.event(id: "00ff-7", text: Array(text.utf8).span)
        let sent = chunk.withBytes(from: 0, isChunked: false) { Array($0) }
        var parser = EventParser(limit: 1000)
        let received = try #require(try parser.read(sent).first)
        guard case .event(let event) = received else { throw Failure() }
        #expect(event.id == "00ff-7")
        #expect(event.data.map { $0 == 0 ? UInt8(ascii: "\r") : $0 } == Array(text.utf8))
    }

    @Test("A block without data is no event, and an id with U+0000 is none")
    func noEvent() throws {
        #expect(try parts("id: 1\n\nevent: a\n\nid: 2\0\ndata: x\n\n") == [event("x", id: "1")])
    }

    @Test(
        "A line or an event that is too long is an error",
        arguments: ["data: aaaaa", "data: aa\ndata: aa\n", ":aaaaaaaaaaa"])
    func tooLong(_ stream: String) {
        #expect(throws: EventParser.TooLong.self) { try parts(stream, limit: 5) }
    }

    private struct Failure: Error {}
}

extension Array<UInt8> {
    fileprivate init(_ span: Span<UInt8>) { self = span.indices.map { span[$0] } }
}
