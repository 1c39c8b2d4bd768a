import Foundation

/// A connection that sends exactly the bytes that a test writes.
///
/// Every wait ends after a minute, or sooner if a test asks for that, with `EAGAIN`. It can then be repeated.
public final class RawClient {
    private let descriptor: CInt
    private var received: [UInt8] = []

    /// - Parameter source: an IPv4 address of this host; nil for the one that the system chooses.
    public convenience init(host: String, port: UInt16, from source: String? = nil) throws {
        try self.init(descriptor: Self.connect(host, port, source))
    }

    public convenience init(socketPath: String) throws { try self.init(descriptor: Self.connect(socketPath)) }

    private init(descriptor: CInt) {
        self.descriptor = descriptor
        wait(SO_SNDTIMEO, milliseconds: 60_000)
        wait(SO_RCVTIMEO, milliseconds: 60_000)
    }

    private func wait(_ option: CInt, milliseconds: Int) {
        var timeout = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Sets the timeout for receiving.
    public func waitAtMost(milliseconds: Int) { wait(SO_RCVTIMEO, milliseconds: milliseconds) }

    deinit { close(descriptor) }

    private static func connect(_ host: String, _ port: UInt16, _ source: String?) throws -> CInt {
        var found: UnsafeMutablePointer<addrinfo>?
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        guard getaddrinfo(host, String(port), &hints, &found) == 0, let found else { throw POSIXError(.EINVAL) }
        defer { freeaddrinfo(found) }
        return try connected(found.pointee.ai_family, found.pointee.ai_addr, found.pointee.ai_addrlen) { descriptor in
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            guard let source, inet_pton(AF_INET, source, &address.sin_addr) == 1 else { return }
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    private static func connect(_ path: String) throws -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try connected(AF_UNIX, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func connected(
        _ family: CInt, _ address: UnsafePointer<sockaddr>?, _ byteCount: socklen_t,
        prepare: (CInt) -> Void = { _ in }
    ) throws -> CInt {
        let descriptor = socket(family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        prepare(descriptor)
        guard Foundation.connect(descriptor, address, byteCount) == 0 else {
            let code = errno
            close(descriptor)
            throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
        }
        return descriptor
    }

    /// Makes the receive buffer as small as the system allows.
    public func readLittle() {
        var byteCount: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &byteCount, socklen_t(MemoryLayout<CInt>.size))
    }

    /// Lets the client's system vanish without a word, as if the network were gone: nothing that is sent to it arrives,
    /// and so it acknowledges nothing.
    public func vanish() throws {
        // BPF_RET 0, which drops each packet; the structs of <linux/filter.h>, which Swift does not see.
        struct Program {
            let count: UInt16 = 1
            let instructions: UnsafePointer<UInt64>
        }
        let result = withUnsafePointer(to: UInt64(6)) {
            var program = Program(instructions: $0)
            return setsockopt(
                descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<Program>.size))
        }
        guard result == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }

    /// Ends what ``vanish()`` began.
    public func comeBack() {
        var value: CInt = 0
        setsockopt(descriptor, SOL_SOCKET, SO_DETACH_FILTER, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    // MARK: Sending

    public func send(_ text: String) throws { try send(Array(text.utf8)) }

    public func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            rest = rest.dropFirst(count)
        }
    }

    /// Tells the server that nothing more will be sent.
    public func shutDownSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// Breaks the connection with a reset.
    public func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Foundation.linger>.size))
        shutdown(descriptor, CInt(SHUT_RDWR))
    }

    // MARK: Receiving

    /// The next response, interim responses included.
    public func response(to method: String = "GET") throws -> RawResponse {
        while true {
            if let end = headEnd {
                var response = try RawResponse(head: String(decoding: received[..<end], as: UTF8.self))
                let hasBody = method != "HEAD" && response.status >= 200 && ![204, 304].contains(response.status)
                let length = hasBody ? response["Content-Length"].flatMap { Int($0) } ?? 0 : 0
                while received.count < end + 4 + length { try receive() }
                response.body = Array(received[(end + 4)...].prefix(length))
                received.removeFirst(end + 4 + length)
                return response
            }
            try receive()
        }
    }

    private var headEnd: Int? {
        guard received.count >= 4 else { return nil }
        return (0...received.count - 4).first { Array(received[$0..<$0 + 4]) == [13, 10, 13, 10] }
    }

    private func receive() throws {
        guard try receiveSome() else { throw ConnectionEnded() }
    }

    /// - Returns: false at the end of the connection.
    private func receiveSome() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var count = -1
        repeat { count = recv(descriptor, &buffer, buffer.count, 0) } while count < 0 && errno == EINTR
        guard count >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        received += buffer.prefix(count)
        return count > 0
    }

    /// The bytes received, or the next ones to arrive; empty at the end of the connection.
    public func piece() throws -> [UInt8] {
        if received.isEmpty { _ = try receiveSome() }
        defer { received = [] }
        return received
    }

    /// Whether the server has ended the connection, even if there is more to read.
    public var hasHungUp: Bool {
        let closedHalf: CShort = 0x2000  // POLLRDHUP
        var poll = pollfd(fd: descriptor, events: closedHalf, revents: 0)
        return Foundation.poll(&poll, 1, 0) > 0
    }

    /// Everything that arrives until the server ends the connection.
    public func rest() throws -> [UInt8] {
        do {
            while try receiveSome() {}
        } catch let error as POSIXError where error.code == .ECONNRESET {}
        defer { received = [] }
        return received
    }

    /// Waits, and returns whether the server ended the connection with nothing more to read.
    public func isEnded() -> Bool {
        do {
            return try !receiveSome() && received.isEmpty
        } catch let error as POSIXError {
            return error.code == .ECONNRESET
        } catch {
            return false
        }
    }
}

extension RawClient {
    /// Sends a request.
    public func sendRequest(
        _ method: String, _ target: String = "/shared", _ fields: [String] = [], body: [UInt8]? = nil
    ) throws {
        var head = ["\(method) \(target) HTTP/1.1", "Host: localhost"] + fields
        if let body { head.append("Content-Length: \(body.count)") }
        try send(Array((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? []))
    }

    /// Sends a request and waits for its response.
    public func request(
        _ method: String = "GET", _ target: String = "/shared", _ fields: [String] = [], body: [UInt8]? = nil
    ) throws -> RawResponse {
        try sendRequest(method, target, fields, body: body)
        return try response(to: method)
    }
}

public struct ConnectionEnded: Error {}
