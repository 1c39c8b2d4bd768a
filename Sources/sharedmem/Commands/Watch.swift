import ArgumentParser
import LinuxSystem
import SharedMemory

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Print each new version of the text, or run a command with it.",
        discussion: """
            Prints the current text first, then each later version; if several come at once, only the newest. Each ends \
            with a line feed, which is added if it is missing.

            Does not create the segment. Without --wait, watch fails if the segment does not exist or was unlinked. A \
            segment that lasts only while processes are attached to it also lasts while it is watched.

            With --exec, commands run one at a time. Changes that arrive during a run are combined, so even a slow \
            command always gets the latest text. If a command fails, watch reports it and goes on; with --once, it exits \
            with the command's status.

            SIGINT, SIGTERM or SIGHUP ends watch with status 0, and so does a closed output. A running command may \
            finish first and is not sent the signal; a second signal ends watch at once.
            """)

    @OptionGroup var segment: SegmentArguments
    @OptionGroup var remote: RemoteOptions

    @Option(
        name: .customLong("after"),
        help: ArgumentHelp(
            "Skip this version, which you already have, such as bf51aad6d45c6afb-1.", valueName: "instance-number"))
    var known: Version?

    @Flag(help: "End after one version; with --after, after the next change.")
    var once = false

    @Flag(name: .customLong("wait"), help: "Wait if the segment does not exist, was never set, or was unlinked.")
    var waits = false

    @Flag(
        name: [.customShort("0"), .long],
        help: "End each version with a zero byte, which no text contains, instead of adding a line feed.")
    var null = false

    @Flag(help: "Print each version as a JSON object on a line.")
    var json = false

    @Flag(name: .shortAndLong, help: "Print each version number on standard error, before the text.")
    var verbose = false

    @Option(
        name: .customLong("exec"), parsing: .remaining,
        help: ArgumentHelp(
            """
            Instead of printing, run this command, with all that follows as its arguments, the text on its standard \
            input, and the version in SHAREDMEM_VERSION.
            """, valueName: "command"))
    var command: [String] = []

    func validate() throws {
        // The parser accepts an option that takes all remaining arguments even if none remain.
        if command.isEmpty, CommandLine.arguments.last == "--exec" {
            throw ValidationError("Missing value for '--exec <command>'")
        }
        if json, null || !command.isEmpty { throw ValidationError("--json cannot be combined with --null or --exec.") }
        if null, !command.isEmpty { throw ValidationError("With --exec, watch prints nothing: leave --null out.") }
    }

    func run() throws {
        TerminationSignals.handle()
        var watched = try watched
        // With --exec, the command writes the output, and finds out by itself if it is closed.
        let output = command.isEmpty ? ByteStream.standardOutput : nil
        var version = known
        while !TerminationSignals.wereReceived, output?.isAbandoned != true {
            // Waits a second at a time, to notice a signal that came just before the wait, and a reader that left.
            Program.reapOrphans()
            guard let next = try watched.next(after: version, waits: waits) else { continue }
            version = next.version
            if verbose { report("\(next.version)") }
            if json {
                try write(try encodedLine(SnapshotReport(next, of: watched.name)))
            } else if command.isEmpty {
                try write(next.text)
            } else {
                try runCommand(with: next)
            }
            if once { return }
        }
    }

    private var watched: any WatchedText {
        get throws {
            if let remote = try remote.text(segment.chosenName, segment.localOptions) {
                return WatchedRemoteText(remote)
            }
            var options = AttachmentOptions(
                directory: segment.location.directory, creates: false, trustedOwners: try segment.location.trusted)
            options.isOperator = true
            return WatchedSegment(
                follower: try SegmentFollower(segment.chosenName, options, fallsBackToReadOnly: true))
        }
    }

    private func write(_ text: String) throws {
        let end = null ? "\0" : text.utf8.last == UInt8(ascii: "\n") ? "" : "\n"
        try ByteStream.standardOutput.write(text + end, isInterruptible: true)
    }

    /// Writes a line on standard error; if that is full or closed, the watch goes on.
    private func report(_ line: String) { try? ByteStream.standardError.write(line + "\n", isInterruptible: true) }

    private func runCommand(with next: VersionedText) throws {
        Environment["SHAREDMEM_VERSION"] = "\(next.version)"
        let end = try Result { () throws(SystemError) in try Program.run(command, input: next.text) }
            .mapError { Failure(description: "'\(command[0])' cannot be run: \($0.reason).") }.get()
        if once { throw ExitCode(end.exitStatus) }
        if end.exitStatus != 0 { report("sharedmem: \(command[0]) \(end)") }
    }
}
