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

    /// Writes all bytes of the text, and waits for room if the stream is non-blocking.
    ///
    /// Another process that has the same pipe may have made it so. Writing stops without an error if the reader is gone. With
    /// `isInterruptible`, it also stops if a signal has asked this process to end (``TerminationSignals``) and the reader
    /// takes nothing for a second.
    package func write(_ text: String, isInterruptible: Bool = false) throws(SystemError) {
        // PIPE_BUF: once a pipe has room, writing so many bytes to it does not block.
        let limit = isInterruptible ? 4096 : Int.max
        var rest = text.utf8Span.span
        while !rest.isEmpty {
            if isInterruptible, !awaitRoom(milliseconds: 1000) {
                if TerminationSignals.wereReceived { return }
                continue
            }
            do throws(SystemError) {
                let written = try write(some: rest.extracting(first: min(rest.count, limit)))
                rest = rest.extracting(droppingFirst: written)
            } catch {
                switch error.code {
                case EPIPE: return
                case EAGAIN: _ = awaitRoom(milliseconds: 1000)
                default: throw error
                }
            }
        }
    }

    /// Waits until the stream can be written to, or writing fails at once; false if the time is up first.
    private func awaitRoom(milliseconds: CInt) -> Bool {
        let count = try? systemCall("poll") {
            var state = pollfd(fd: descriptor, events: CShort(POLLOUT), revents: 0)
            return unsafe negatedErrno(poll(&state, 1, milliseconds))
        }
        return count != 0
    }

    /// Writes as many bytes as the stream takes at once, and returns their number.
    func write(some bytes: Span<UInt8>) throws(SystemError) -> Int {
        try systemCall("write") {
            unsafe bytes.withUnsafeBytes { negatedErrno(unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)) }
        }
    }

    /// Reads up to the end, but at most one byte more than `limit`.
    ///
    /// - Parameter progress: called after each read with the number of bytes so far.
    /// - Throws: `ENOMEM` if there is no memory for what was read, among others.
    package func readToEnd(
        limit: Int, progress: (Int) -> Void = { _ in }
    ) throws(SystemError) -> ReadBytes {
        var bytes = ReadBytes()
        while bytes.count <= limit {
            let count = try unsafe bytes.append(atMost: limit + 1 - bytes.count) { room in
                unsafe negatedErrno(read(descriptor, room.baseAddress, room.count))
            }
            if count == 0 { break }
            progress(bytes.count)
        }
        return bytes
    }

    /// A line that a person types on the terminal, without the line feed; nil at the end of the input.
    package func typedLine() throws(SystemError) -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = try systemCall("read") { negatedErrno(unsafe read(descriptor, &bytes, bytes.count)) }
        return count == 0 ? nil : String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// The content of a file of any kind, such as a pipe that a shell has named, up to one byte more than `limit`.
    package static func content(ofAnyFile path: String, limit: Int) throws(SystemError) -> ReadBytes {
        let descriptor = try systemCall("open", on: path) { negatedErrno(unsafe open(path, O_RDONLY | O_CLOEXEC)) }
        defer { close(descriptor) }
        do throws(SystemError) {
            return try ByteStream(descriptor: descriptor).readToEnd(limit: limit)
        } catch {
            throw SystemError("read", on: path, code: error.code)
        }
    }

    /// The content of a regular file, up to one byte more than `limit`.
    ///
    /// - Parameter inspect: shown the file that was opened.
    /// - Throws: `EINVAL` for anything that is not a regular file.
    package static func content(
        ofFile path: String, limit: Int, inspect: (FileStatus) -> Void
    ) throws(SystemError) -> ReadBytes {
        // A FIFO would block until another process opens it.
        let descriptor = try systemCall("open", on: path) {
            negatedErrno(unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK))
        }
        defer { close(descriptor) }
        var status = stat()
        try systemCall("fstat", on: path) { negatedErrno(unsafe fstat(descriptor, &status)) }
        let file = FileStatus(status)
        inspect(file)
        guard file.kind == .regular else { throw SystemError("open", on: path, code: EINVAL) }
        return try ByteStream(descriptor: descriptor).readToEnd(limit: limit)
    }
}

/// Bytes that were read. (An array would end the process if there were no memory for them.)
@safe package struct ReadBytes: ~Copyable {
    private var start: UnsafeMutableRawPointer?
    private var room = 0
    package private(set) var count = 0

    fileprivate init() {}

    deinit { unsafe free(start) }

    package func withSpan<Result, Failure>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe UnsafeRawBufferPointer(start: start, count: count).assumingMemoryBound(to: UInt8.self).span)
    }

    /// Removes a line feed at the end, if there is one.
    package mutating func removeLineFeed() {
        if count > 0, withSpan({ $0[$0.count - 1] }) == UInt8(ascii: "\n") { count -= 1 }
    }

    /// The text, with invalid bytes replaced.
    package var text: String {
        withSpan { span in unsafe span.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) } }
    }

    /// Has `read` fill free room behind the bytes, and returns its result.
    fileprivate mutating func append(
        atMost limit: Int, _ read: (UnsafeMutableRawBufferPointer) -> Int
    ) throws(SystemError) -> Int {
        if count == room {
            let larger = max(2 * room, 1 << 16)
            guard let moved = unsafe realloc(start, larger) else { throw SystemError(call: "realloc", code: ENOMEM) }
            unsafe (start, room) = (moved, larger)
        }
        let free = unsafe UnsafeMutableRawBufferPointer(start: start, count: room)[count...]
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: free.prefix(limit))
        let added = try systemCall("read") { unsafe read(target) }
        count += added
        return added
    }
}
