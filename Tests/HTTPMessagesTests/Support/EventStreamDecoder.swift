/// Decodes the body of an event stream from the standards alone: chunks (RFC 9112, 7.1), then events (HTML, 9.2.6).
struct EventStreamDecoder {
    struct Event: Equatable {
        let id: String
        /// The data, in which U+0000 stands for a carriage return.
        let data: [UInt8]
    }

    private(set) var events: [Event] = []
    private(set) var commentCount = 0
    private var id = ""
    private var data: [UInt8] = []

    /// Joins the content of the chunks; nil if `body` is not a sequence of whole chunks.
    static func content(ofChunks body: [UInt8]) -> [UInt8]? {
        var content: [UInt8] = []
        var rest = body[...]
        while !rest.isEmpty {
            guard let lineEnd = rest.firstIndex(of: 13), rest.dropFirst(lineEnd + 1 - rest.startIndex).first == 10,
                let byteCount = Int(String(decoding: rest[..<lineEnd], as: UTF8.self), radix: 16)
            else { return nil }
            rest = rest[(lineEnd + 2)...]
            guard rest.count >= byteCount + 2 else { return nil }
            content += rest.prefix(byteCount)
            rest = rest.dropFirst(byteCount)
            guard rest.starts(with: [13, 10]) else { return nil }
            rest = rest.dropFirst(2)
        }
        return content
    }

    init(_ content: [UInt8]) {
        for line in Self.lines(content) { take(line) }
    }

    /// Splits at line feeds, carriage returns and pairs of them; an unfinished last line is ignored.
    private static func lines(_ content: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        var index = 0
        while index < content.count {
            let byte = content[index]
            index += 1
            guard byte == 10 || byte == 13 else {
                line.append(byte)
                continue
            }
            if byte == 13, index < content.count, content[index] == 10 { index += 1 }
            lines.append(line)
            line = []
        }
        return lines
    }

    private mutating func take(_ line: [UInt8]) {
        guard !line.isEmpty else {
            if !data.isEmpty { events.append(Event(id: id, data: data.dropLast())) }
            data = []
            return
        }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
        var value = line.dropFirst(colon + 1)
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "": commentCount += 1
        case "data": data += value + [10]
        case "id": id = String(decoding: value, as: UTF8.self)
        default: break
        }
    }
}
