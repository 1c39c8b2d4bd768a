internal import Glibc

/// A descriptor that is read and written in sequence, such as a standard stream; it is not closed here.
package struct ByteStream: Sendable {
    let descriptor: CInt

    package static let standardInput = ByteStream(descriptor: STDIN_FILENO)
    package static let standardOutput = ByteStream(descriptor: STDOUT_FILENO)
    package static let standardError = ByteStream(descriptor: STDERR_FILENO)

    package var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Whether nothing reads what is written: the reader of the pipe or socket, or the terminal, is gone.
    package var isAbandoned: Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return unsafe poll(&state, 1, /* timeout: */ 0) == 1 && state.revents & CShort(POLLERR | POLLHUP) != 0
    }

    /// Writes all bytes of the text; stops without an error if the reader is gone.
    package func write(_ text: String) throws(SystemError) {
        var rest = text.utf8Span.span
        while !rest.isEmpty {
            do throws(SystemError) {
                rest = rest.extracting(droppingFirst: try write(some: rest))
            } catch let error where error.code == EPIPE {
                return
            }
        }
    }

    /// Writes as many bytes as the stream takes at once, and returns their number.
    func write(some bytes: Span<UInt8>) throws(SystemError) -> Int {
        try systemCall("write") {
            unsafe bytes.withUnsafeBytes { negatedErrno(unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)) }
        }
    }

    /// Reads up to the end, but at most one byte more than `limit`.
    package func readToEnd(limit: Int) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= limit {
            let wanted = min(buffer.count, limit + 1 - bytes.count)
            let count = try systemCall("read") {
                negatedErrno(unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, wanted) })
            }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    /// The content of a file, up to one byte more than `limit`.
    package static func content(ofFile path: String, limit: Int) throws(SystemError) -> [UInt8] {
        let descriptor = try systemCall("open", on: path) { negatedErrno(unsafe open(path, O_RDONLY | O_CLOEXEC)) }
        defer { close(descriptor) }
        return try ByteStream(descriptor: descriptor).readToEnd(limit: limit)
    }
}
