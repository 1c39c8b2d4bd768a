import LinuxSystem

/// A connection to a server, which carries one exchange after another.
///
/// It sends no request twice: if no response comes, the caller decides whether to ask again. For one thread.
package final class HTTPConnection {
    private let socket: ClientSocket
    private let url: ServerURL
    private let identity: ClientIdentity
    package let limits: ClientLimits
    /// What has arrived and is not read, from `start` on.
    private var buffer: [UInt8] = []
    private var start = 0
    private var body = Body.none
    private var endsAfterBody = false

    private enum Body {
        case none
        /// So many bytes are left.
        case length(Int)
        /// So many bytes of the current chunk are left, at least one.
        case chunk(Int)
        case endOfChunk
        case sizeOfChunk
        case trailer
        case untilEnd
    }

    private static let headLimit = 64 << 10

    package init(
        to url: ServerURL, _ limits: ClientLimits, _ identity: ClientIdentity = ClientIdentity()
    ) throws(HTTPFault) {
        (self.url, self.identity, self.limits) = (url, identity, limits)
        socket = try ClientSocket(to: url, identity, limits)
    }

    /// Whether another request can be sent: the last response has been read to its end, and was not the connection's.
    package var isReusable: Bool { if case .none = body { !endsAfterBody } else { false } }

    /// Whether the server has neither ended the connection nor sent anything since the last response.
    ///
    /// It may end it at any moment all the same.
    package var isOpen: Bool { isReusable && start == buffer.count && !socket.hasInput }

    /// Sends a request, and receives the head of its response.
    package func exchange(_ request: HTTPRequest) throws(HTTPFault) -> HTTPResponse {
        precondition(isReusable)
        var request = request
        if let token = identity.token { request.add("Authorization", "Bearer \(token)") }
        endsAfterBody = true
        var refusal: HTTPFault?
        do throws(HTTPFault) {
            try socket.send(request.bytes(host: url.authority))
        } catch .ended(let reason) {
            // A server that refuses a long body answers before it ends the connection.
            refusal = .ended(reason: reason)
        }
        let response = try finalHead(orThrowing: refusal)
        endsAfterBody = response.endsConnection || refusal != nil
        switch try response.framing(for: request.method) {
        case .length(let count): body = count > 0 ? .length(count) : .none
        case .chunks: body = .sizeOfChunk
        case .connection: (body, endsAfterBody) = (.untilEnd, true)
        }
        return response
    }

    private func finalHead(orThrowing refusal: HTTPFault?) throws(HTTPFault) -> HTTPResponse {
        while true {
            do throws(HTTPFault) {
                let response = try HTTPResponse(try lines())
                if response.status >= 200 { return response }
            } catch {
                throw refusal ?? error
            }
        }
    }

    /// Some bytes of the body, as soon as there are any; none at its end.
    ///
    /// If this throws ``HTTPFault/timedOut`` or ``HTTPFault/interrupted``, nothing is lost, and it can be called again.
    package func readSome() throws(HTTPFault) -> [UInt8] {
        while true {
            switch body {
            case .none: return []
            case .length(let left):
                let bytes = try some(atMost: left)
                body = left > bytes.count ? .length(left - bytes.count) : .none
                return bytes
            case .sizeOfChunk:
                let count = try chunkByteCount()
                body = count == 0 ? .trailer : .chunk(count)
            case .chunk(let left):
                let bytes = try some(atMost: left)
                body = left > bytes.count ? .chunk(left - bytes.count) : .endOfChunk
                return bytes
            case .endOfChunk:
                guard try line().isEmpty else { throw .malformed(reason: "a chunk is longer than it says") }
                body = .sizeOfChunk
            case .trailer: if try line().isEmpty { body = .none }
            case .untilEnd:
                if start == buffer.count, try !receive() { body = .none } else { return take(buffer.count - start) }
            }
        }
    }

    /// All of the body.
    ///
    /// - Parameter limit: the most bytes that it may have.
    package func readAll(limit: Int) throws(HTTPFault) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let some = try readSome()
            if some.isEmpty { return all }
            all += some
            if all.count > limit { throw .malformed(reason: "it has more than \(limit) bytes") }
        }
    }
}

// MARK: Bytes

extension HTTPConnection {
    /// - Returns: false at the end of the connection.
    private func receive() throws(HTTPFault) -> Bool {
        if start == buffer.count { (buffer, start) = ([], 0) }
        let received = try socket.receive(limit: 64 << 10)
        if buffer.isEmpty { buffer = received } else { buffer += received }
        return !received.isEmpty
    }

    private func receiveMore() throws(HTTPFault) {
        if try !receive() { throw .ended(reason: "before the end of the response") }
    }

    private func take(_ count: Int) -> [UInt8] {
        defer { start += count }
        return start == 0 && count == buffer.count ? buffer : Array(buffer[start..<start + count])
    }

    private func some(atMost limit: Int) throws(HTTPFault) -> [UInt8] {
        if start == buffer.count { try receiveMore() }
        return take(min(limit, buffer.count - start))
    }

    /// The next line, without its end.
    private func line() throws(HTTPFault) -> [UInt8] {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[start..<end]
                start = end + 1
                return Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
            }
            guard buffer.count - start < Self.headLimit else { throw .malformed(reason: "a line is too long") }
            let unread = buffer.count - start
            try receiveMore()
            searched = start + unread
        }
    }

    /// The lines up to the next empty one.
    private func lines() throws(HTTPFault) -> [UInt8] {
        var lines: [UInt8] = []
        while true {
            let line = try line()
            // Some servers send an empty line too many after a body.
            if line.isEmpty { if lines.isEmpty { continue } else { return lines } }
            lines += line + [UInt8(ascii: "\n")]
            guard lines.count < Self.headLimit else { throw .malformed(reason: "its head is too long") }
        }
    }

    private func chunkByteCount() throws(HTTPFault) -> Int {
        let line = String(
            decoding: try line().prefix { $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: " ") }, as: UTF8.self)
        guard line.utf8.first.map({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) == true,
            let count = Int(line, radix: 16)
        else { throw .malformed(reason: "a chunk has no length") }
        return count
    }
}
