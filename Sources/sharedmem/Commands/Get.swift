import ArgumentParser
import LinuxSystem
import SharedMemory

struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Write the text to standard output, byte for byte.",
        discussion: "Does not create a segment: one that does not exist is an error.")

    @OptionGroup var segment: SegmentArguments

    @Flag(name: .shortAndLong, help: "Print the version on standard error.")
    var verbose = false

    func run() throws {
        let snapshot = try Segment.read(
            segment.chosenName, directory: segment.location.directory, trustedOwners: segment.location.trusted)
        try ByteStream.standardOutput.write(snapshot.text)
        if verbose { try ByteStream.standardError.write("\(snapshot.version)\n") }
    }
}
