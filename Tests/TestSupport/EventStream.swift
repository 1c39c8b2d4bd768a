/// A client of an event stream, which parses it as the standard says (HTML, 9.2.6).
public final class EventStream {
    public let response: RawResponse
    private let client: RawClient
    private var chunks = Chunks()
    private var lines: ArraySlice<[UInt8]> = []
    private var line: [UInt8] = []
    private var lastWasReturn = false
    private var data: [UInt8] = []
    private var id = ""
    private var name = ""
    /// The number of comments received so far.
    public private(set) var commentCount = 0

    public struct Event: Equatable {
        /// What kind of event it is; empty for a message.
        public let name: String
        public let id: String
        public let data: [UInt8]

        public init(name: String = "", id: String, data: [UInt8]) {
            (self.name, self.id, self.data) = (name, id, data)
        }

        /// The text: in the data, U+0000 stands for a carriage return.
        public var bytes: [UInt8] { data.map { $0 == 0 ? 13 : $0 } }

        public var text: String { String(decoding: bytes, as: UTF8.self) }

        public var number: UInt64 { id.split(separator: "-").last.flatMap { UInt64($0) } ?? .max }
    }

    public convenience init(_ client: RawClient, _ target: String = "/shared", _ fields: [String] = []) throws {
        try client.requestEvents(target, fields)
        self.init(client, response: try client.response())
    }

    /// Reads the stream after a request was sent and the head of its response was received.
    public init(_ client: RawClient, response: RawResponse) {
        self.client = client
        self.response = response
    }

    /// The next event; nil when the stream has ended.
    public func next() throws -> Event? {
        while true {
            while let line = lines.popFirst() {
                if let event = take(line) { return event }
            }
            guard try receive() else { return nil }
        }
    }

    /// Waits for a comment, discarding the events before it.
    public func awaitComment() throws {
        let count = commentCount
        while commentCount == count {
            while let line = lines.popFirst() { _ = take(line) }
            if commentCount == count, try !receive() { return }
        }
    }

    /// Whether the server keeps the stream open; one that has no place for it ends it at once.
    public var hasPlace: Bool { response["Transfer-Encoding"] == "chunked" }

    /// Whether the message has ended as its framing says, and not only the connection.
    public var isWhole: Bool { chunks.isAtEnd }

    private func receive() throws -> Bool {
        let piece = try client.piece()
        if piece.isEmpty { return false }
        let bytes = hasPlace ? chunks.decode(piece) : piece
        split(bytes)
        return true
    }

    /// Splits at line endings: a line feed, a carriage return, or both.
    private func split(_ bytes: [UInt8]) {
        var rest = bytes[...]
        if lastWasReturn, rest.first == 10 { rest = rest.dropFirst() }
        lastWasReturn = false
        while let end = rest.firstIndex(where: { $0 == 10 || $0 == 13 }) {
            lines.append(line + rest[..<end])
            line = []
            let isReturn = rest[end] == 13
            rest = rest[(end + 1)...]
            if isReturn, rest.first == 10 { rest = rest.dropFirst() } else if isReturn { lastWasReturn = rest.isEmpty }
        }
        line += rest
    }

    private func take(_ line: [UInt8]) -> Event? {
        if line.isEmpty {
            defer { (name, data) = ("", []) }
            return data.isEmpty ? nil : Event(name: name, id: id, data: data.dropLast())
        }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
        var value = line.dropFirst(colon + 1)
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "": commentCount += 1
        case "data": data += value + [10]
        case "event": name = String(decoding: value, as: UTF8.self)
        case "id": id = String(decoding: value, as: UTF8.self)
        default: break
        }
        return nil
    }
}

extension RawClient {
    public func requestEvents(_ target: String = "/shared", _ fields: [String] = []) throws {
        try sendRequest("GET", target, ["Accept: text/event-stream"] + fields)
    }
}

/// Decodes the chunks of a message (RFC 9112, 7.1).
private struct Chunks {
    private var rest: [UInt8] = []
    private(set) var isAtEnd = false

    mutating func decode(_ piece: [UInt8]) -> [UInt8] {
        rest += piece
        var content: [UInt8] = []
        var position = 0
        while let lineEnd = rest[position...].firstIndex(of: 10) {
            let size = String(decoding: rest[position..<lineEnd - 1], as: UTF8.self)
            guard let count = Int(size, radix: 16), lineEnd + 1 + count + 2 <= rest.count else { break }
            content += rest[lineEnd + 1..<lineEnd + 1 + count]
            position = lineEnd + 1 + count + 2
            if count == 0 { isAtEnd = true }
        }
        rest.removeFirst(position)
        return content
    }
}
