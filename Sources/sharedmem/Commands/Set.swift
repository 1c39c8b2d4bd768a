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
    @OptionGroup var creation: CreationOptions

    @Option(help: "The text. (default: all of standard input)")
    var text: String?

    @Option(
        name: .customLong("if-version"),
        help: ArgumentHelp("Set the text only if this is still its version.", valueName: "instance-number"))
    var expected: Version?

    @Flag(name: .shortAndLong, help: "Print the new version on standard error.")
    var verbose = false

    func run() throws {
        if text == nil, ByteStream.standardInput.isTerminal {
            try ByteStream.standardError.write("Reading the text from the terminal; end it with Ctrl-D.\n")
        }
        let bytes =
            try text.map { Array($0.utf8) } ?? ByteStream.standardInput.readToEnd(limit: Segment.maximumCapacity)
        var options = AttachmentOptions(
            lifetime: .persistent, capacity: creation.capacity, directory: segment.location.directory,
            mode: creation.mode, group: try creation.group, trustedOwners: try segment.location.trusted)
        options.isOperator = true
        let version = try Segment.attach(segment.chosenName, options).set(utf8: bytes.span, ifVersion: expected)
        if verbose { try ByteStream.standardError.write("\(version)\n") }
    }
}
