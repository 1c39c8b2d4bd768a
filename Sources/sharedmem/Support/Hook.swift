internal import Glibc
import SharedMemory

/// A command that is run with a text on its standard input.
struct Hook {
    private let words: [String]

    init(_ words: [String]) {
        self.words = words
        // Ignored, as this may have been started, it would leave nothing to wait for.
        signal(SIGCHLD, SIG_DFL)
    }

    /// Runs it to its end.
    func run(with snapshot: Snapshot) throws(Failure) -> HookProcess.End {
        unsafe setenv("SHAREDMEM_VERSION", "\(snapshot.version)", /* overwrite: */ 1)
        var ends: [CInt] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw Failure(description: "pipe: \(StandardStream.reason(errno))") }
        let writer = PipeEnd(ends[1])
        let process = HookProcess(id: try start(reading: PipeEnd(ends[0])))
        if let end = process.feed(snapshot.text, through: writer) { return end }
        return process.wait()
    }

    private func start(reading input: consuming PipeEnd) throws(Failure) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, input.descriptor, STDIN_FILENO)

        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // What is handled here is the default there. What this was started to ignore, as by nohup(1), stays ignored.
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe posix_spawnattr_setsigmask(&attributes, &signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var id = pid_t()
        let code = unsafe posix_spawnp(&id, words[0], &actions, &attributes, &arguments, environ)
        guard code == 0 else {
            throw Failure(description: "'\(words[0])' can not be run: \(StandardStream.reason(code)).")
        }
        return id
    }
}

/// One end of a pipe, which no command inherits unasked.
struct PipeEnd: ~Copyable {
    let descriptor: CInt

    init(_ descriptor: CInt) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }
}
