import ArgumentParser
import LinuxSystem
import SharedMemory

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the segments in a directory.",
        discussion: """
            It also shows what killed processes have left behind. Such a segment counts as removed: the next process that \
            attaches replaces it, and unlink removes it.
            """)

    @OptionGroup var location: SegmentLocation

    @Flag(help: "Print a JSON array.")
    var json = false

    func run() throws {
        let surveyed = try Progress.show("Looking at segments") { progress in
            try Segment.survey(
                directory: location.directory, trustedOwners: try location.trusted, progress: progress.note)
        }
        let entries = surveyed.map { name, found in
            switch found {
            case .segment(let info): Entry(name: name, summary: SegmentSummary(info), info: SegmentReport(info))
            case .leftover: Entry(name: name, isLeftBehind: true)
            case .failure(let error): Entry(name: name, error: "\(error)")
            }
        }
        if json { return try ByteStream.standardOutput.write(try encoded(entries)) }
        if entries.isEmpty {
            let directory = location.directory ?? PrivateMemory.directory
            return try ByteStream.standardError.write(
                "There are no segments in \(directory).\n" + PrivateMemory.hint(notFoundIn: directory))
        }
        try ByteStream.standardOutput.write(Self.table(entries))
    }

    private struct Entry: Encodable {
        let name: String
        var summary: SegmentSummary?
        /// What `info` reports.
        var info: SegmentReport?
        /// Why the segment cannot be inspected.
        var error: String?
        /// Whether killed processes left it behind, so that it counts as removed.
        var isLeftBehind = false

        private enum CodingKeys: CodingKey { case name, info, error, isLeftBehind }

        func encode(to encoder: any Encoder) throws {
            try summary?.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encodeIfPresent(info, forKey: .info)
            try container.encodeIfPresent(error, forKey: .error)
            try container.encode(isLeftBehind, forKey: .isLeftBehind)
        }

        var remark: String {
            isLeftBehind ? "left behind by killed processes; sharedmem unlink \(name) removes it" : error ?? ""
        }
    }

    private static func table(_ entries: [Entry]) -> String {
        var rows = [["NAME", "BYTES", "CAPACITY", "ATTACHED", "VERSION"]]
        rows += entries.map { entry in
            guard let info = entry.info else { return [entry.name, entry.remark] }
            return [info.name, "\(info.byteCount)", "\(info.capacity)", "\(info.attached.count)", info.version]
        }
        return Table.text(rows)
    }
}
