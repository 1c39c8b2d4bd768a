internal import Glibc

/// A command that was started, and has to be waited for.
struct HookProcess {
    let id: pid_t

    /// How it ended.
    enum End {
        case exited(status: CInt)
        case killed(signal: CInt)
    }

    /// Writes a text to the command's standard input, as much as it takes.
    ///
    /// - Returns: how it ended, if it did so first.
    func feed(_ text: String, through input: consuming PipeEnd) -> End? {
        _ = fcntl(input.descriptor, F_SETFL, O_NONBLOCK)
        return unsafe text.utf8Span.span.withUnsafeBytes { bytes in
            var rest = unsafe bytes[...]
            while unsafe !rest.isEmpty {
                let count = unsafe write(
                    input.descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 {
                    unsafe rest = rest.dropFirst(count)
                } else if errno == EAGAIN {
                    if let end = waitUntilReading(input) { return end }
                } else if errno != EINTR {
                    // It does not want the rest.
                    break
                }
            }
            return nil
        }
    }

    private func waitUntilReading(_ input: borrowing PipeEnd) -> End? {
        var state = pollfd(fd: input.descriptor, events: Int16(POLLOUT), revents: 0)
        if unsafe poll(&state, 1, /* milliseconds: */ 100) != 0 { return nil }
        // It may have left behind another process that holds its input open and does not read.
        return end(waiting: WNOHANG)
    }

    /// Waits for its end.
    func wait() -> End {
        while true {
            // Ends early for a signal, which is the watch's to heed when the command has ended.
            if let end = end(waiting: 0) { return end }
        }
    }

    private func end(waiting options: CInt) -> End? {
        var status: CInt = 0
        guard unsafe waitpid(id, &status, options) == id else { return nil }
        let signal = status & 0x7f
        return signal == 0 ? .exited(status: status >> 8) : .killed(signal: signal)
    }
}

extension HookProcess.End: CustomStringConvertible {
    /// As a shell has it.
    var exitStatus: CInt {
        switch self {
        case .exited(let status): status
        case .killed(let signal): 128 + signal
        }
    }

    var description: String {
        switch self {
        case .exited(let status): "ended with status \(status)"
        case .killed(let signal): "was killed by signal \(signal) (\(unsafe String(cString: strsignal(signal))))"
        }
    }
}
