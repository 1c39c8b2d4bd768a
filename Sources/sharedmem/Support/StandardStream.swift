internal import Glibc

/// A standard stream, byte for byte.
struct StandardStream: Sendable {
    let descriptor: CInt

    static let input = StandardStream(descriptor: 0)
    static let output = StandardStream(descriptor: 1)
    static let error = StandardStream(descriptor: 2)

    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Whether what is written reaches nobody any more: the pipe's or socket's reader, or the terminal, is gone.
    var isAbandoned: Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return unsafe poll(&state, 1, /* timeout: */ 0) == 1 && state.revents & Int16(POLLERR | POLLHUP) != 0
    }

    /// Writes all of it, or what the reader takes: that it leaves early is not our failure.
    func write(_ text: String) throws(Failure) {
        try unsafe text.utf8Span.span.withUnsafeBytes { bytes throws(Failure) in
            var rest = unsafe bytes[...]
            while unsafe !rest.isEmpty {
                let count = unsafe Glibc.write(
                    descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                if count < 0 && errno == EPIPE { return }
                guard count > 0 else { throw Failure(description: "Writing failed: \(Self.reason(errno))") }
                unsafe rest = rest.dropFirst(count)
            }
        }
    }

    /// Reads to the end; one byte more than `limit` at the most.
    func readToEnd(limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= limit {
            let wanted = min(buffer.count, limit + 1 - bytes.count)
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, wanted) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Failure(description: "Reading failed: \(Self.reason(errno))") }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    static func reason(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
}

enum Environment {
    /// A variable that is set and not empty.
    static subscript(_ name: String) -> String? {
        guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
        return unsafe String(cString: value)
    }
}
