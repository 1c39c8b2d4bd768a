import ArgumentParser
import LinuxSystem
import SharedMemory

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the segments in a directory.")

    @OptionGroup var location: SegmentLocation

    @Flag(help: "Print a JSON array.")
    var json = false

    func run() throws {
        let entries = try Segment.list(directory: location.directory).map { name in
            do {
                return Entry(name: name, info: SegmentReport(try look(name)), error: nil)
            } catch {
                return Entry(name: name, info: nil, error: "\(error)")
            }
        }
        if json { return try ByteStream.standardOutput.write(try encoded(entries)) }
        if entries.isEmpty { return try ByteStream.standardError.write(Self.nothing(in: location)) }
        try ByteStream.standardOutput.write(Self.table(entries))
    }

    private func look(_ name: String) throws(SegmentError) -> SegmentInfo {
        try Segment.info(name, directory: location.directory, trustedOwners: location.trusted)
    }

    private static func nothing(in location: SegmentLocation) -> String {
        let directory = location.directory ?? PrivateMemory.directory
        let hint = PrivateMemory.hint(notFoundIn: directory).map { $0 + "\n" }
        return "There are no segments in \(directory).\n" + (hint ?? "")
    }

    private struct Entry: Encodable {
        let name: String
        let info: SegmentReport?
        /// Why the segment cannot be inspected.
        let error: String?
    }

    private static func table(_ entries: [Entry]) -> String {
        var rows = [["NAME", "BYTES", "CAPACITY", "ATTACHED", "VERSION"]]
        for entry in entries {
            guard let info = entry.info else {
                rows.append([entry.name, entry.error ?? ""])
                continue
            }
            rows.append([
                info.name, "\(info.byteCount)", "\(info.capacity)", "\(info.attached.count)", info.version,
            ])
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
