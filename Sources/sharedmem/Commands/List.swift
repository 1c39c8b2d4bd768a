import ArgumentParser
import LinuxSystem
import SharedMemory

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the segments in a directory.")

    @OptionGroup var location: SegmentLocation

    @Flag(help: "Print a JSON array.")
    var json = false

    func run() throws {
        let entries = try Segment.list(directory: location.directory).map { name in
            do {
                let info = try Segment.info(name, directory: location.directory, trustedOwners: location.trusted)
                return Entry(name: name, info: SegmentReport(info), error: nil)
            } catch {
                return Entry(name: name, info: nil, error: "\(error)")
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
        let info: SegmentReport?
        /// Why the segment cannot be inspected.
        let error: String?
    }

    private static func table(_ entries: [Entry]) -> String {
        var rows = [["NAME", "BYTES", "CAPACITY", "ATTACHED", "VERSION"]]
        rows += entries.map { entry in
            guard let info = entry.info else { return [entry.name, entry.error ?? ""] }
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
