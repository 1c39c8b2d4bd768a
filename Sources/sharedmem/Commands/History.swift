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
            return try ByteStream.standardError.write(
                "No version of '\(try segment.chosenName)' is kept in that directory. Check the name and --keep.\n")
        }
        let rows = versions.map { ["\($0.version)", $0.publicationTime.rfc3339, "\($0.byteCount)"] }
        try ByteStream.standardOutput.write(Table.text([["VERSION", "TIME", "BYTES"]] + rows))
    }

    private struct Entry: Encodable {
        let name: String
        let version: String
        let bytes: Int
        let capacity: Int
        let changed: String
        // As before 0.2.
        let publicationTime: String
        let byteCount: Int

        init(_ kept: KeptVersion) {
            (name, version, capacity) = (kept.name, "\(kept.version)", kept.capacity)
            (changed, publicationTime) = (kept.publicationTime.rfc3339, kept.publicationTime.rfc3339)
            (bytes, byteCount) = (kept.byteCount, kept.byteCount)
        }
    }
}

/// The arguments that name a segment's kept versions, and the directory that they are in.
struct KeptSegmentArguments: ParsableArguments {
    @Argument(help: "The segment's name. (default: shared, env: SHAREDMEM_NAME)", completion: .segments)
    var name: String?

    @Option(.keep, completion: .directory) var directory: String?

    init() {}

    init(_ name: String, in directory: String?) { (self.name, self.directory) = (name, directory) }

    var chosenName: String {
        get throws { try (name.map { try SegmentName($0) } ?? SegmentName.inEnvironment()).description }
    }

    func storage() throws -> DiskStorage {
        guard let directory = try ServerOption.keep.value(directory), directory != "" else {
            throw ValidationError("Name the directory in which the server keeps the text, with --keep.")
        }
        return DiskStorage(directory)
    }

    func kept(_ version: Version) throws -> (KeptVersion, DiskStorage) {
        let versions = try versions()
        guard let kept = versions.first(where: { $0.version == version }) else {
            throw KeepError.notKept(name: try chosenName, version: version, found: versions.map(\.version))
        }
        return (kept, try storage())
    }

    /// The whole versions, oldest first; a line on standard error for each file that is damaged.
    func versions() throws -> [KeptVersion] {
        try Archive.survey(try chosenName, try storage()) { file, damage in
            try? ByteStream.standardError.write("sharedmem: \(file) is damaged: \(damage.reason)\n")
        }
    }
}
