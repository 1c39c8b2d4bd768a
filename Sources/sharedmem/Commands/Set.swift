import ArgumentParser
import LinuxSystem
import SharedMemory

struct SetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Set the text, from --text or standard input.",
        discussion: """
            Creates the segment if it does not exist. The segment stays until it is unlinked or the host reboots.
            """)

    @OptionGroup var segment: SegmentArguments
    @OptionGroup var remote: RemoteOptions

    /// The text, given as an argument by mistake.
    @Argument(help: .hidden) var words: [String] = []

    @OptionGroup var creation: CreationOptions

    @Option(parsing: .unconditional, help: "The text. (default: all of standard input)")
    var text: String?

    @Flag(help: "Set the empty text if standard input is empty, which is an error otherwise.")
    var empty = false

    @OptionGroup var setting: SettingOptions

    func validate() throws {
        guard !words.isEmpty else { return }
        throw ValidationError(
            "The text is not an argument: give it with --text, or on standard input. Type: "
                + Self.command(CommandLine.arguments, without: words))
    }

    /// The command line with these words, which are the last of their kind, as the text.
    private static func command(_ arguments: [String], without words: [String]) -> String {
        var (rest, left) = (arguments.dropFirst(), words)
        var kept: [String] = []
        while let word = rest.popLast() {
            if word == left.last { left.removeLast() } else { kept.insert(word, at: 0) }
        }
        return (["sharedmem"] + kept + ["--text", words.joined(separator: " ")]).map(Shell.word).joined(separator: " ")
    }

    func run() throws {
        let localOptions = segment.localOptions + creation.localOptions
        if let remote = try remote.text(segment.chosenName, localOptions) { return try set(at: remote) }
        var target = SegmentTarget(
            name: segment.chosenName, options: try segment.location.options(creating: creation))
        // A segment that does not exist has no version to replace.
        target.options.creates = setting.expected == nil
        let capacity = try target.capacity()
        if let text {
            try set(Array(text.utf8).span, in: target, capacity)
        } else {
            try standardInput(capacity).withSpan { bytes in try set(bytes, in: target, capacity) }
        }
    }

    private func set(_ bytes: Span<UInt8>, in target: SegmentTarget, _ capacity: Int) throws {
        let attached = try target.attach(for: bytes, capacity: capacity)
        let version = try attached.set(utf8: bytes, ifVersion: setting.expected)
        try setting.outcome.report(version, of: attached.name)
    }

    private func set(at remote: RemoteText) throws {
        let bytes = try text.map { Array($0.utf8) } ?? standardInput(Segment.maximumCapacity).bytes
        try Segment.check(utf8: bytes.span)
        let version = try remote.set(bytes, if: setting.expected.map { ("If-Match", "\"\($0)\"") })
        try setting.outcome.report(version, of: remote.name)
    }

    /// All of standard input; it is not read to its end if it is longer than the capacity.
    private func standardInput(_ capacity: Int) throws -> ReadBytes {
        let bytes = try StandardInput.read(limit: capacity)
        if bytes.count > capacity {
            throw Failure(
                description: "The text on standard input is longer than the segment's capacity of \(capacity) bytes: "
                    + "shorten it, or unlink the segment and create it again with a larger --capacity.")
        }
        if bytes.count == 0, !empty {
            throw Failure(
                description:
                    "Standard input is empty, so nothing was set. Check the command that writes the text, or give --empty to "
                    + "set the empty text.")
        }
        return bytes
    }
}
