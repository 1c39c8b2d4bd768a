import ArgumentParser
import SharedMemory

struct UnlinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unlink",
        abstract: "Remove a segment.",
        discussion: """
            Processes attached to it keep what they have; who comes next creates a new one. A server that
            serves it does so within a second.
            """)

    @Argument(help: "The segment's name.", completion: .custom { _, _, _ in (try? Segment.list()) ?? [] })
    var name: String

    @OptionGroup var location: SegmentLocation

    func run() throws {
        try Segment.unlink(name, directory: location.directory, trustedOwners: location.trusted)
    }
}
