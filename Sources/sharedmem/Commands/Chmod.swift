import ArgumentParser
import LinuxSystem
import SharedMemory

struct ChmodCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chmod", abstract: "Change a segment's permissions.",
        discussion: """
            Changes the permissions of the segment's file, and with --group its group. The text and its version stay, and \
            processes that are attached keep what they may do. Only the segment's owner and root can do this.

            Unlike chmod(1), it also has writers wake the readers that may only read.
            """)

    @Argument(help: "The segment's name.", completion: .segments)
    var name: String

    @Argument(
        help: "600 for the owner alone, 640 or 660 for a group to read or set, 644 or 666 for all users to read or set."
    )
    var mode: FileMode

    @Option(
        help: ArgumentHelp(
            "The group to give the segment to, a name or a number. (default: the group that it has)",
            valueName: "group"))
    var group: String?

    @OptionGroup var location: SegmentLocation

    func run() throws {
        var options = AttachmentOptions(
            directory: location.directory, mode: mode.bits,
            group: try group.map { name in try AttachmentOptions.groupID(name) }, creates: false,
            trustedOwners: try location.trusted)
        options.isOperator = true
        _ = try Segment.attach(name, options)
    }
}
