import ArgumentParser
import SharedMemory

struct UnlinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unlink", abstract: "Remove a segment.",
        discussion: """
            Attached processes keep the text they have. The next process that attaches creates a new segment; a server \
            does so within a second.
            """)

    @Argument(help: "The segment's name.", completion: .custom { _, _, _ in (try? Segment.list()) ?? [] })
    var name: String

    @OptionGroup var location: SegmentLocation

    func run() throws { try Segment.unlink(name, directory: location.directory, trustedOwners: location.trusted) }
}
