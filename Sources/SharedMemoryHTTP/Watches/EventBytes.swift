internal import Glibc
import LinuxSystem
import SharedMemory

/// A part of an event stream, made once and sent to all who watch.
///
/// But for the head, it is one chunk of an HTTP/1.1 message; HTTP/1.0 has no chunks, and gets what is in it.
final class EventBytes {
    private let bytes: [UInt8]
    private let content: Range<Int>
    /// Where its length is counted; nil for nowhere.
    private let budget: ByteBudget?
    /// What a client knows that has received it; nil for what is no event.
    let version: Version?

    private init(_ chunk: Chunk, _ version: Version? = nil, _ budget: ByteBudget? = nil) {
        bytes = chunk.bytes
        content = chunk.content
        self.version = version
        self.budget = budget
    }

    /// Whether nothing comes after it: of HTTP/1.1's chunks, the empty one is the last.
    var isEnd: Bool { content.isEmpty }

    deinit { budget?.giveBack(content.count) }

    /// How many bytes there are to send.
    func byteCount(isChunked: Bool) -> Int { isChunked ? bytes.count : content.count }

    /// Shows what is to be sent, from an offset on.
    func withBytes<Result>(from offset: Int, isChunked: Bool, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe bytes.withUnsafeBytes { bytes in
            let range = isChunked ? bytes.indices : content
            return unsafe body(UnsafeRawBufferPointer(rebasing: bytes[range.dropFirst(offset)]))
        }
    }
}

// MARK: What is sent

extension EventBytes {
    /// The event that says what the text is.
    ///
    /// What ends a line in an event stream is told by the stream alone: a line feed begins another `data` line, and a
    /// carriage return, which a client would take for one too, goes as U+0000, which no text contains.
    ///
    /// - Parameter budget: where it is to be counted; nil for nowhere.
    /// - Returns: nil when `budget` has not so much left.
    static func text(of segment: Segment, _ budget: ByteBudget?) throws(SegmentError) -> EventBytes? {
        let borrow = try segment.borrow()
        defer { extendLifetime(borrow) }
        let version = try segment.identify(borrow).0
        let text = unsafe borrow.text
        let id = "id: \(version)\n"
        var lineCount = 0
        unsafe forEachLine(of: text) { _ in lineCount += 1 }
        let byteCount = id.utf8.count + text.count + lineCount * "data: ".utf8.count + "\n\n".utf8.count
        guard budget?.takeOfHalf(byteCount) ?? true else { return nil }
        var chunk = Chunk(byteCount)
        chunk.append(id)
        unsafe forEachLine(of: text) { line in
            chunk.append("data: ")
            unsafe chunk.append(line, replacing: UInt8(ascii: "\r"), by: 0)
            chunk.append("\n")
        }
        chunk.append("\n")
        return EventBytes(chunk.ended(), version, budget)
    }

    /// Keeps a connection from looking dead, to the client and to what is between.
    static func heartbeat() -> EventBytes {
        var chunk = Chunk(3)
        chunk.append(":\n\n")
        return EventBytes(chunk.ended())
    }

    /// The end of the stream.
    static func end() -> EventBytes { EventBytes(Chunk(0).ended()) }

    /// The head of the answer: no chunk.
    static func head(isChunked: Bool) -> EventBytes {
        let framing = isChunked ? "Transfer-Encoding: chunked\r\n" : ""
        return EventBytes(
            Chunk(
                unframed:
                    """
                    HTTP/1.1 200 OK\r
                    Date: \(HTTPDate.format(Clock.realtimeSeconds))\r
                    Content-Type: text/event-stream\r
                    Cache-Control: no-store\r
                    X-Content-Type-Options: nosniff\r
                    X-Accel-Buffering: no\r
                    Vary: Accept\r
                    \(framing)Connection: close\r
                    \r\n
                    """))
    }
}

/// Shows what lies between line feeds: at least one line.
private func forEachLine(of text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
    var rest = unsafe text
    while let start = rest.baseAddress, let feed = unsafe memchr(start, CInt(UInt8(ascii: "\n")), rest.count) {
        let count = unsafe UnsafeRawPointer(feed) - start
        unsafe body(UnsafeRawBufferPointer(rebasing: rest[..<count]))
        unsafe rest = UnsafeRawBufferPointer(rebasing: rest[(count + 1)...])
    }
    unsafe body(rest)
}

/// A chunk of a message (RFC 9112, 7.1) in the making.
private struct Chunk {
    private(set) var bytes: [UInt8] = []
    private(set) var content = 0..<0

    /// - Parameter byteCount: as many as are going to be appended.
    init(_ byteCount: Int) {
        bytes.reserveCapacity(byteCount + 24)
        append(String(byteCount, radix: 16) + "\r\n")
        content = bytes.count..<bytes.count + byteCount
    }

    /// What is sent as it is.
    init(unframed text: String) {
        append(text)
        content = bytes.indices
    }

    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    mutating func append(_ text: UnsafeRawBufferPointer, replacing byte: UInt8, by other: UInt8) {
        let start = bytes.count
        unsafe bytes.append(contentsOf: text)
        var position = start
        while position < bytes.count, let next = bytes[position...].firstIndex(of: byte) {
            bytes[next] = other
            position = next + 1
        }
    }

    consuming func ended() -> Chunk {
        precondition(bytes.count == content.upperBound)
        append("\r\n")
        return self
    }
}
