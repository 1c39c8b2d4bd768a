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

    func run() throws {
        let snapshot = try Segment.read(
            segment.chosenName, directory: segment.location.directory, trustedOwners: try segment.location.trusted)
        try ByteStream.standardOutput.write(snapshot.text)
        if verbose { try ByteStream.standardError.write("\(snapshot.version)\n") }
    }
}
