import ArgumentParser
import SharedMemory

struct UnlinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unlink", abstract: "Remove a segment.",
        discussion: """
            Attached processes keep the text they have. The next process that attaches creates a new segment; a server \
            does so within a second.

            It also removes what killed processes have left behind. Root can remove the segments of all users.
            """)

    @Argument(help: "The segment's name.", completion: .removableSegments)
    var name: String

    @OptionGroup var location: SegmentLocation

    func run() throws {
        do throws(SegmentError) {
            try Segment.unlink(name, directory: location.directory, trustedOwners: try location.trusted)
        } catch {
            guard case .notFound(let name, let directory, _) = error else { throw error }
            let others = (try? Segment.list(directory: directory)) ?? []
            let hint = PrivateMemory.hint(notFoundIn: directory)
            throw Failure(
                description: "There is no segment '\(name)' in \(directory)." + Similarity.question(name, in: others)
                    + (hint.isEmpty ? "" : "\n\(hint.dropLast())"))
        }
    }
}
