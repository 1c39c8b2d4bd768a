internal import CLinux
internal import Glibc

/// A program that this process has started and that has not been waited for.
package struct Program: Sendable {
    private let processID: pid_t

    /// Runs a program to its end, with the text on its standard input.
    ///
    /// The program inherits the environment and which signals are ignored; it has no signal blocked, the default for
    /// SIGPIPE, and no descriptor but the standard streams. It need not read its input.
    /// - Parameter words: the program, which is looked up in `PATH` unless it contains a slash, and its arguments.
    package static func run(_ words: [String], input text: String) throws(SystemError) -> Outcome {
        // If this process was started with SIGCHLD ignored, there would be nothing to wait for.
        signal(SIGCHLD, SIG_DFL)
        var ends: [CInt] = [0, 0]
        try systemCall("pipe") { negatedErrno(unsafe pipe(&ends)) }
        let input = PipeEnd(ends[1])
        let program = Program(processID: try spawn(words, standardInput: PipeEnd(ends[0])))
        if let outcome = program.feed(text, through: input) { return outcome }
        return program.awaitOutcome()
    }

    /// Runs a program to its end with the standard streams of this process, such as an editor.
    ///
    /// Keys that interrupt the program do not end this process meanwhile.
    package static func run(_ words: [String]) throws(SystemError) -> Outcome {
        signal(SIGCHLD, SIG_DFL)
        // Handled and not ignored, which the program would inherit.
        var ignoring = sigaction()
        unsafe ignoring.__sigaction_handler.sa_handler = { _ in }
        var (interrupt, quit) = (sigaction(), sigaction())
        unsafe sigaction(SIGINT, &ignoring, &interrupt)
        unsafe sigaction(SIGQUIT, &ignoring, &quit)
        defer {
            unsafe sigaction(SIGINT, &interrupt, nil)
            unsafe sigaction(SIGQUIT, &quit, nil)
        }
        return Program(processID: try spawn(words, inputDescriptor: nil)).awaitOutcome()
    }

    /// Reaps the orphans that have ended, if this is process 1 and so their parent.
    package static func reapOrphans() {
        guard getpid() == 1 else { return }
        while waitpid(-1, nil, WNOHANG) > 0 {}
    }

    private static func spawn(_ words: [String], standardInput: consuming PipeEnd) throws(SystemError) -> pid_t {
        try spawn(words, inputDescriptor: standardInput.descriptor)
    }

    /// - Parameter inputDescriptor: the program's standard input; nil for that of this process.
    private static func spawn(_ words: [String], inputDescriptor: CInt?) throws(SystemError) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        if let descriptor = inputDescriptor {
            unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, STDIN_FILENO)
        }

        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // Handled signals get their defaults by themselves, and those that this process was started to ignore, as by
        // nohup(1), stay ignored.
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe posix_spawnattr_setsigmask(&attributes, &signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var processID = pid_t()
        let code = unsafe posix_spawnp(&processID, words[0], &actions, &attributes, &arguments, environ)
        if code != 0 { throw SystemError(call: "posix_spawnp", code: code) }
        return processID
    }

    /// Writes as much of the text as the program reads.
    ///
    /// - Returns: how the program ended, if it did first.
    private func feed(_ text: String, through input: consuming PipeEnd) -> Outcome? {
        _ = fcntl(input.descriptor, F_SETFL, O_NONBLOCK)
        var rest = text.utf8Span.span
        while !rest.isEmpty {
            do throws(SystemError) {
                let count = try ByteStream(descriptor: input.descriptor).write(some: rest)
                rest = rest.extracting(droppingFirst: count)
            } catch {
                // Anything else means that the program does not want the rest.
                guard error.code == EAGAIN else { return nil }
                var state = pollfd(fd: input.descriptor, events: CShort(POLLOUT), revents: 0)
                if unsafe poll(&state, 1, /* milliseconds: */ 100) != 0 { continue }
                // The program may have left behind another one that holds its input open and does not read.
                if let outcome = outcome(options: WNOHANG) { return outcome }
            }
        }
        return nil
    }

    /// Waits for the program's end; a signal that this process handles does not end the wait.
    private func awaitOutcome() -> Outcome {
        while true {
            if let outcome = outcome(options: 0) { return outcome }
        }
    }

    /// How the program ended; nil if it has not.
    private func outcome(options: CInt) -> Outcome? {
        var status: CInt = 0
        guard unsafe waitpid(processID, &status, options) == processID else { return nil }
        let signal = status & 0x7f
        return signal == 0 ? .exited(status: status >> 8) : .killed(signal: signal)
    }

    /// How a program ended.
    package enum Outcome: CustomStringConvertible, Sendable {
        case exited(status: CInt)
        case killed(signal: CInt)

        /// The exit status that a shell has for it.
        package var exitStatus: CInt {
            switch self {
            case .exited(let status): status
            case .killed(let signal): 128 + signal
            }
        }

        package var description: String {
            switch self {
            case .exited(let status): "ended with status \(status)"
            case .killed(let signal): "was killed by signal \(signal) (\(unsafe String(cString: strsignal(signal))))"
            }
        }
    }
}

/// One end of a pipe, which no started program inherits unasked.
private struct PipeEnd: ~Copyable {
    let descriptor: CInt

    init(_ descriptor: CInt) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }
}
