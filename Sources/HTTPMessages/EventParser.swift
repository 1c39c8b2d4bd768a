/// An event of an event stream, as it was received.
package struct ReceivedEvent: Equatable, Sendable {
    /// `message` if the stream names none.
    package var name = "message"
    /// The last id of the stream, which may be an earlier event's; empty if it has had none.
    package var id = ""
    /// The `data` lines, joined with line feeds.
    package var data: [UInt8] = []

    package init() {}

    /// The text that the data is, in a stream of this service: a carriage return comes as U+0000, which no text contains.
    package var text: [UInt8] { data.contains(0) ? data.map { $0 == 0 ? UInt8(ascii: "\r") : $0 } : data }
}

/// Reads an event stream (HTML, 9.2.6) from pieces of any size.
package struct EventParser: Sendable {
    package enum Part: Equatable, Sendable {
        case event(ReceivedEvent)
        /// A line that is no part of any event, without its colon and the blank behind it.
        case comment(String)
    }

    package struct TooLong: Error {}

    /// The most bytes of a line, and of the data of an event.
    private let limit: Int
    private var line: [UInt8] = []
    private var event = ReceivedEvent()
    private var hasData = false
    /// Whether the last piece ended with a carriage return, which a line feed may follow.
    private var endedWithReturn = false

    package init(limit: Int) { self.limit = limit }

    /// Reads the next bytes, and returns the parts that they complete.
    package mutating func read(_ bytes: [UInt8]) throws(TooLong) -> [Part] {
        var parts: [Part] = []
        var start = 0
        if endedWithReturn, bytes.first == UInt8(ascii: "\n") { start = 1 }
        if !bytes.isEmpty { endedWithReturn = false }
        while let end = bytes[start...].firstIndex(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            guard line.count + end - start <= limit else { throw TooLong() }
            line += bytes[start..<end]
            if let part = try endLine() { parts.append(part) }
            start = end + 1
            if bytes[end] == UInt8(ascii: "\r") {
                if start == bytes.count {
                    endedWithReturn = true
                } else if bytes[start] == UInt8(ascii: "\n") {
                    start += 1
                }
            }
        }
        line += bytes[start...]
        guard line.count <= limit else { throw TooLong() }
        return parts
    }

    private mutating func endLine() throws(TooLong) -> Part? {
        defer { line.removeAll(keepingCapacity: line.count < 1 << 16) }
        if line.isEmpty { return endEvent() }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        let value = line[colon...].dropFirst()
        let text = value.first == UInt8(ascii: " ") ? value.dropFirst() : value
        if colon == 0 { return .comment(String(decoding: text, as: UTF8.self)) }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "data":
            guard event.data.count + text.count < limit else { throw TooLong() }
            if hasData { event.data.append(UInt8(ascii: "\n")) }
            event.data += text
            hasData = true
        case "event": event.name = String(decoding: text, as: UTF8.self)
        case "id": if !text.contains(0) { event.id = String(decoding: text, as: UTF8.self) }
        default: break
        }
        return nil
    }

    private mutating func endEvent() -> Part? {
        let complete = event
        event = ReceivedEvent()
        event.id = complete.id
        defer { hasData = false }
        return hasData ? .event(complete) : nil
    }
}
