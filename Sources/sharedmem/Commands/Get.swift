import ArgumentParser
import LinuxSystem
import SharedMemory

struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Write the text to standard output, byte for byte.",
        discussion: "Does not create the segment. If it does not exist, the command fails.")

    @OptionGroup var segment: SegmentArguments
    @OptionGroup var remote: RemoteOptions

    @Flag(name: .shortAndLong, help: "Print the version on standard error.")
    var verbose = false

    @Flag(help: "Print a JSON object with the text, its version, and when it was set.")
    var json = false

    func run() throws {
        let (name, current) = try current
        try ByteStream.standardOutput.write(json ? encoded(SnapshotReport(current, of: name)) : current.text)
        if verbose { try ByteStream.standardError.write("\(current.version)\n") }
    }

    private var current: (name: String, VersionedText) {
        get throws {
            if let remote = try remote.text(segment.chosenName, segment.localOptions) {
                return (remote.name, try remote.read())
            }
            let snapshot = try Segment.read(
                segment.chosenName, directory: segment.location.directory, trustedOwners: try segment.location.trusted)
            let name = try Segment.place(segment.chosenName, directory: segment.location.directory).name
            return (name, VersionedText(snapshot))
        }
    }
}
