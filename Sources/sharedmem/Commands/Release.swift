import ArgumentParser
import LinuxSystem
import SharedMemory

struct ReleaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "Let programs on this host set text that was replicated from elsewhere.",
        discussion: """
            While a server replicates the text of another server or of etcd (serve --follow, serve --etcd), text is set through \
            that server only, and setting it in the segment fails. This stays so when no server runs: the next one would replace \
            what was set. Release the segment if there will be none.

            The text stays. The command fails while a server replicates it.
            """)

    @Argument(help: "The segment's name.", completion: .segments)
    var name: String

    @OptionGroup var location: SegmentLocation

    @Flag(help: "Print a JSON object.")
    var json = false

    private struct Report: Encodable {
        let name: String
        /// False if the text was not replicated.
        let isReleased: Bool
    }

    func run() throws {
        let isReleased = try Segment.release(
            name, directory: location.directory, trustedOwners: try location.trusted)
        if json {
            return try ByteStream.standardOutput.write(encoded(Report(name: name, isReleased: isReleased)))
        }
        try ByteStream.standardOutput.write(
            isReleased
                ? "Programs on this host can set '\(name)'.\n" : "'\(name)' is not replicated: nothing was changed.\n")
    }
}
