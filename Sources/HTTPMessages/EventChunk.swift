/// A part of an event stream, made once and sent to every subscriber.
///
/// Except for the head, it is one chunk of an HTTP/1.1 message (RFC 9112, 7.1). HTTP/1.0 has no chunks: its clients get
/// the content alone.
package struct EventChunk: Sendable {
    private let bytes: [UInt8]
    private let content: Range<Int>

    /// Whether this chunk ends the stream: the last chunk of a message is the empty one.
    package var isEnd: Bool { content.isEmpty }

    package func byteCount(isChunked: Bool) -> Int { isChunked ? bytes.count : content.count }

    /// Shows what is to be sent from an offset on.
    package func withBytes<Result, Failure>(
        from offset: Int, isChunked: Bool, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes.span.extracting((isChunked ? bytes.indices : content).dropFirst(offset)))
    }

    /// - Parameter byteCount: how many bytes `fill` appends.
    private init(byteCount: Int, _ fill: (inout OutputSpan<UInt8>) -> Void) {
        isHead = false
        let size = String(byteCount, radix: 16) + "\r\n"
        content = size.utf8.count..<size.utf8.count + byteCount
        bytes = [UInt8](capacity: content.upperBound + 2) { output in
            output.append(size)
            fill(&output)
            output.append("\r\n")
        }
        precondition(bytes.count == content.upperBound + 2)
    }

    /// Whether this is the head of the response, and not a part of its body.
    package let isHead: Bool

    private init(unframed text: String) {
        isHead = true
        bytes = Array(text.utf8)
        content = bytes.indices
    }

    /// How many bytes ``event(id:text:)`` has, without its framing.
    package static func contentByteCount(id: String, text: Span<UInt8>) -> Int {
        var count = "id: \ndata: \n\n".utf8.count + id.utf8.count + text.count
        for index in text.indices where text[index] == UInt8(ascii: "\n") { count += "data: ".utf8.count }
        return count
    }

    /// The event that carries the text.
    ///
    /// Each line of the text is a `data` line. A carriage return, which a client would take for the end of a line, is
    /// sent as U+0000, which the text never contains.
    package static func event(id: String, text: Span<UInt8>) -> EventChunk {
        EventChunk(byteCount: contentByteCount(id: id, text: text)) { output in
            output.append("id: " + id + "\ndata: ")
            for index in text.indices {
                switch text[index] {
                case UInt8(ascii: "\n"): output.append("\ndata: ")
                case UInt8(ascii: "\r"): output.append(0)
                case let byte: output.append(byte)
                }
            }
            output.append("\n\n")
        }
    }

    /// An event with a name of its own, whose data is one line.
    package static func event(named name: StaticString, data: Span<UInt8>) -> EventChunk {
        let start = "event: \(name)\ndata: "
        return EventChunk(byteCount: start.utf8.count + data.count + 2) { output in
            output.append(start)
            for index in data.indices { output.append(data[index]) }
            output.append("\n\n")
        }
    }

    /// A comment that keeps an idle connection from looking dead to the client and to proxies.
    package static let heartbeat = EventChunk(byteCount: 3) { $0.append(":\n\n") }

    /// The end of the stream.
    package static let end = EventChunk(byteCount: 0) { _ in }

    /// The head of a response that ends with its connection.
    package static func head(date: Int64) -> [UInt8] { head(date: date, isChunked: false).bytes }

    /// The head of the response.
    ///
    /// - Parameter fields: lines for it, each with its line ending.
    package static func head(date: Int64, isChunked: Bool, fields: String = "") -> EventChunk {
        let framing = isChunked ? "Transfer-Encoding: chunked\r\n" : ""
        let head = """
            HTTP/1.1 200 OK\r
            Date: \(HTTPDate.format(date))\r
            Content-Type: text/event-stream\r
            Cache-Control: no-store\r
            X-Content-Type-Options: nosniff\r
            X-Accel-Buffering: no\r
            Vary: Accept\r
            \(fields)\(framing)Connection: close\r
            \r\n
            """
        return EventChunk(unframed: head)
    }
}

extension OutputSpan<UInt8> {
    fileprivate mutating func append(_ text: String) {
        for byte in text.utf8 { append(byte) }
    }
}
