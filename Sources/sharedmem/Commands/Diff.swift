import ArgumentParser
import LinuxSystem
import SharedMemory
import SharedMemoryHTTP
import SharedMemoryKeep

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare the text with a file, another segment, or versions that a server keeps.",
        usage: """
            sharedmem diff <name> [<file>|-]
            sharedmem diff <name> --to <other>
            sharedmem diff <name> <version> [<version>] --keep <directory>
            """,
        discussion: """
            Prints a unified diff, as diff -u does. With a file, it is what setting the file's content would change. With \
            one version, it is what has changed since; 'sharedmem history' lists the kept versions.

            Exit status: 0 if both are the same, 1 if they differ, 2 for failure, and 64 for wrong usage.
            """)

    @Argument(help: "The segment's name.", completion: .segments)
    var name: String

    @Argument(
        help: """
            A file, - for standard input, or a version. A file whose name looks like a version needs a path, as in \
            ./NAME. (default: standard input)
            """, completion: .file())
    var other: String?

    @Argument(help: "The version to compare the first one with. (default: the current text)")
    var version: Version?

    @Option(help: "Compare with the text of this segment.", completion: .segments)
    var to: String?

    @OptionGroup var location: SegmentLocation
    @Option(.keep, completion: .directory) var keep: String?
    @OptionGroup var styling: StyleOptions

    func validate() throws {
        if to != nil, other != nil { throw ValidationError("Give --to, or a file or version, but not both.") }
        if version != nil, other.flatMap({ Version($0) }) == nil {
            throw ValidationError("'\(other ?? "")' is not a version. Compare a version only with another one.")
        }
    }

    func run() throws {
        let isDifferent: Bool
        do {
            isDifferent = try compare()
        } catch let error where !(error is ValidationError) {
            // As diff(1): 1 says that the texts differ.
            SharedMem.fail(error, status: ExitCode(2))
        }
        if isDifferent { throw ExitCode.failure }
    }

    private func compare() throws -> Bool {
        let (old, new) = try sides()
        let diff = UnifiedDiff(from: old.text, to: new.text)
        try ByteStream.standardOutput.write(diff.text(from: old.label, to: new.label, styling.style))
        return !diff.isEmpty
    }

    // MARK: The two sides

    private struct Side {
        let label: UnifiedDiff.Label
        let text: String
    }

    private func sides() throws -> (Side, Side) {
        if let first = other.flatMap({ Version($0) }) {
            return (try kept(first), try version.map(kept) ?? current(name))
        }
        return (try current(name), try to.map(current) ?? file(other ?? "-"))
    }

    private func current(_ name: String) throws -> Side {
        side(name, try Segment.read(name, directory: location.directory, trustedOwners: try location.trusted))
    }

    private func side(_ name: String, _ snapshot: Snapshot) -> Side {
        Side(
            label: .init(name: name, remark: "\(snapshot.version) \(snapshot.publicationTime.rfc3339)"),
            text: snapshot.text)
    }

    private func kept(_ version: Version) throws -> Side {
        if let current = try? Segment.read(name, directory: location.directory, trustedOwners: try location.trusted),
            current.version == version
        {
            return side(name, current)
        }
        let (kept, storage) = try KeptSegmentArguments(name, in: keep).kept(version)
        let text = try Archive.withText(of: kept, in: storage) { text in
            String(decoding: text.indices.map { text[$0] }, as: UTF8.self)
        }
        guard case .success(let text)? = text else {
            throw KeepError.notKept(name: name, version: version, found: [])
        }
        return Side(label: .init(name: name, remark: "\(version) \(kept.publicationTime.rfc3339)"), text: text)
    }

    private func file(_ path: String) throws -> Side {
        let bytes = try Self.content(path)
        let source = path == "-" ? "Standard input" : path
        guard bytes.count <= Segment.maximumCapacity else {
            throw Failure(description: "\(source) is longer than any segment's text.")
        }
        do throws(SegmentError) {
            try bytes.withSpan(Segment.check)
        } catch {
            throw Failure(description: "\(source) cannot be compared. \(error)")
        }
        return Side(label: .init(name: path), text: bytes.text)
    }

    private static func content(_ path: String) throws -> ReadBytes {
        let limit = Segment.maximumCapacity
        if path == "-" { return try StandardInput.read(limit: limit) }
        return try ByteStream.content(ofAnyFile: path, limit: limit)
    }
}
