import ArgumentParser
import LinuxSystem
import SharedMemory

struct ReleaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "Let programs on this host set the text of a replicated segment again.",
        discussion: """
            While a server replicates a segment (serve --follow, serve --etcd), only that server sets its text. This remains so \
            after the server has stopped, because the next server would overwrite what others had set. If no server will \
            replicate the segment again, release it.

            The text stays. The command fails while a server replicates the segment.
            """)

    @Argument(help: "The segment's name.", completion: .segments)
    var name: String

    @OptionGroup var location: SegmentLocation

    @Flag(help: "Print a JSON object.")
    var json = false

    private struct Report: Encodable {
        let name: String
        /// False if the segment was not replicated.
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
                ? "Programs on this host can set the text of '\(name)'.\n"
                : "'\(name)' is not replicated, so nothing was changed.\n")
    }
}
