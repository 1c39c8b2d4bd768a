import ArgumentParser
import LinuxSystem
import SharedMemory

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Print each new text as it comes, or run a command with it.",
        discussion: """
            The present text comes first, then each later one; of several that come at once, the newest. Each ends \
            with a line feed, added if it has none.

            Creates nothing: a segment that is not there, or no longer, is an error unless you --wait. One that stays \
            only while attached stays while it is watched.

            With --exec, one command runs at a time, and then again, with the newest text, if that changed meanwhile. \
            One that fails is reported, and the watch goes on; with --once, its exit status is the watch's.

            SIGINT, SIGTERM and SIGHUP end it with status 0, as does a closed output. A command that runs may finish \
            first, and is not sent the signal; a second signal ends the watch at once.
            """)

    @OptionGroup var segment: SegmentArguments

    @Option(
        name: .customLong("after"),
        help: ArgumentHelp("Leave out the text of this version: you have it.", valueName: "instance-number"))
    var known: Version?

    @Flag(help: "End after the first text; with --after, after the next change.")
    var once = false

    @Flag(name: .customLong("wait"), help: "Wait for a segment that is not there yet, was never set, or was unlinked.")
    var waits = false

    @Flag(name: [.customShort("0"), .long], help: "End each text, as it is, with a zero byte, which no text contains.")
    var null = false

    @Flag(name: .shortAndLong, help: "Print the version of each text on standard error, before the text.")
    var verbose = false

    @Option(
        name: .customLong("exec"), parsing: .remaining,
        help: ArgumentHelp(
            """
            Print nothing, but run this, with all that follows as its arguments: with the text on its standard input \
            and the version in SHAREDMEM_VERSION.
            """, valueName: "command"))
    var command: [String] = []

    func validate() throws {
        // The parser takes an option of all that remains to be satisfied with nothing.
        if command.isEmpty, CommandLine.arguments.last == "--exec" {
            throw ValidationError("Missing value for '--exec <command>'")
        }
        if null, !command.isEmpty { throw ValidationError("With --exec nothing is printed: leave --null out.") }
    }

    func run() throws {
        TerminationSignals.handle()
        let options = AttachmentOptions(
            directory: segment.location.directory, creates: false, trustedOwners: segment.location.trusted)
        let follower = try SegmentFollower(segment.chosenName, options, fallsBackToReadOnly: true)
        // If nobody reads the output of --exec's command, that is the command's affair.
        let output = command.isEmpty ? ByteStream.standardOutput : nil
        var version = known
        while !TerminationSignals.wereReceived, output?.isAbandoned != true {
            // For a second: nothing else ends the wait if a signal came just before it, or if the reader leaves.
            guard
                let snapshot = try follower.nextInterruptibly(
                    after: version, waitsForSegment: waits, timeout: .seconds(1))
            else { continue }
            version = snapshot.version
            if verbose { try ByteStream.standardError.write("\(snapshot.version)\n") }
            if command.isEmpty { try write(snapshot.text) } else { try runCommand(with: snapshot) }
            if once { return }
        }
    }

    private func write(_ text: String) throws {
        let end = null ? "\0" : text.utf8.last == UInt8(ascii: "\n") ? "" : "\n"
        try ByteStream.standardOutput.write(text + end)
    }

    private func runCommand(with snapshot: Snapshot) throws {
        let end = try Hook(words: command).run(with: snapshot)
        if once { throw ExitCode(end.exitStatus) }
        if end.exitStatus != 0 { try ByteStream.standardError.write("sharedmem: \(command[0]) \(end)\n") }
    }
}
