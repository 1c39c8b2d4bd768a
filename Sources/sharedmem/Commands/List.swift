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
        let surveyed = try Segment.survey(directory: location.directory, trustedOwners: try location.trusted)
        let entries = surveyed.map { name, found in
            switch found {
            case .segment(let info): Entry(name: name, info: SegmentReport(info))
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
        var info: SegmentReport?
        /// Why the segment cannot be inspected.
        var error: String?
        /// Whether killed processes left it behind, so that it counts as removed.
        var isLeftBehind = false

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
        let widths = (0..<4).map { column in
            rows.filter { $0.count == 5 || column == 0 }.map { $0[column].count }.max() ?? 0
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                guard column < row.count - 1 else { return cell + "\n" }
                return cell + String(repeating: " ", count: widths[column] - cell.count + 2)
            }.joined()
        }.joined()
    }
}
