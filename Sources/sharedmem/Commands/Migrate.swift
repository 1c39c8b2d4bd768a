import ArgumentParser
import LinuxSystem
import SharedMemory

struct MigrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Move a segment of an earlier version to this version's layout.",
        discussion: """
            Versions before this one created segments of layout version 1, which this version cannot use. End all \
            programs that use the segment, then migrate it. It keeps its text, its version, its capacity and its \
            permissions, and must be persistent.

            If the command fails or is killed, the old segment or the new one is there, whole.
            """)

    @Argument(help: "The segment's name.", completion: .segments)
    var name: String

    @OptionGroup var location: SegmentLocation

    @Flag(help: "Print a JSON object.")
    var json = false

    private struct Report: Encodable {
        let name: String
        /// False if the segment already had the layout.
        let isMigrated: Bool
    }

    func run() throws {
        let isMoved = try Progress.show("Migrating '\(name)'") { _ in
            try Segment.migrate(name, directory: location.directory, trustedOwners: try location.trusted)
        }
        if json {
            return try ByteStream.standardOutput.write(encoded(Report(name: name, isMigrated: isMoved)))
        }
        try ByteStream.standardOutput.write(
            "'\(name)' \(isMoved ? "now has" : "already has") this version's layout.\n")
    }
}
