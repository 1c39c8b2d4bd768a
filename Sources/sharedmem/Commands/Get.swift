import ArgumentParser
import LinuxSystem
import SharedMemory

struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Write the text to standard output, byte for byte.",
        discussion: "Does not create the segment. If it does not exist, the command fails.")

    @OptionGroup var segment: SegmentArguments

    @Flag(name: .shortAndLong, help: "Print the version on standard error.")
    var verbose = false

    @Flag(help: "Print a JSON object with the text, its version, and when it was set.")
    var json = false

    func run() throws {
        let snapshot = try Segment.read(
            segment.chosenName, directory: segment.location.directory, trustedOwners: try segment.location.trusted)
        let name = try Segment.place(segment.chosenName, directory: segment.location.directory).name
        try ByteStream.standardOutput.write(
            json ? encoded(SnapshotReport(snapshot, of: name)) : snapshot.text)
        if verbose { try ByteStream.standardError.write("\(snapshot.version)\n") }
    }
}
