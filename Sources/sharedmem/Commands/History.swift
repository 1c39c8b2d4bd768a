import ArgumentParser
import LinuxSystem
import SharedMemory
import SharedMemoryHTTP
import SharedMemoryKeep

struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "List the versions of a segment that a server keeps on disk.",
        discussion: "The oldest comes first. It needs no server, and the segment need not exist.")

    @OptionGroup var segment: KeptSegmentArguments

    @Flag(help: "Print a JSON array.")
    var json = false

    func run() throws {
        let versions = try segment.versions()
        if json { return try ByteStream.standardOutput.write(try encoded(versions.map(Entry.init))) }
        if versions.isEmpty {
            return try ByteStream.standardError.write("No version of '\(try segment.chosenName)' is kept there.\n")
        }
        let rows = versions.map { ["\($0.version)", $0.publicationTime.rfc3339, "\($0.byteCount)"] }
        let widths = (0..<2).map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in [["VERSION", "TIME", "BYTES"]] + rows {
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: max(0, $1 - $0.count)) }
            try ByteStream.standardOutput.write((cells + [row[2]]).joined(separator: "  ") + "\n")
        }
    }

    private struct Entry: Encodable {
        let version: String
        let publicationTime: String
        let byteCount: Int
        let capacity: Int

        init(_ kept: KeptVersion) {
            (version, publicationTime) = ("\(kept.version)", kept.publicationTime.rfc3339)
            (byteCount, capacity) = (kept.byteCount, kept.capacity)
        }
    }
}

/// Which segment's kept versions are meant, and where they are.
struct KeptSegmentArguments: ParsableArguments {
    @Argument(help: "The segment's name. (default: shared, env: SHAREDMEM_NAME)")
    var name: String?

    @Option(.keep, completion: .directory) var directory: String?

    var chosenName: String {
        get throws { try (name.map { try SegmentName($0) } ?? SegmentName.inEnvironment()).description }
    }

    func storage() throws -> DiskStorage {
        guard let directory = try ServerOption.keep.value(directory), directory != "" else {
            throw ValidationError("Name the directory in which the server keeps the text, with --keep.")
        }
        return DiskStorage(directory)
    }

    /// The whole versions, oldest first; a line on standard error for each file that is damaged.
    func versions() throws -> [KeptVersion] {
        try Archive.survey(try chosenName, try storage()) { file, damage in
            try? ByteStream.standardError.write("sharedmem: \(file) is damaged: \(damage.reason)\n")
        }
    }
}
