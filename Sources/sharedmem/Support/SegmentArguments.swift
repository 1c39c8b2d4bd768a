public import ArgumentParser
public import SharedMemory
import SharedMemoryHTTP

/// Where segments are, and whose are trusted.
struct SegmentLocation: ParsableArguments {
    @Option(.directory, completion: .directory) var directory: String?
    @Option(.trustOwner) private var trustedOwners: [String] = []

    /// Whether the directory comes from the command line, and not from the environment.
    private(set) var isDirectoryGiven = false

    private enum CodingKeys: CodingKey { case directory, trustedOwners }

    mutating func validate() throws {
        isDirectoryGiven = directory != nil
        if directory == "" { throw ValidationError("--directory is empty: name a directory, or leave the option out.") }
        directory = try ServerOption.directory.value(directory)
        try orInvalid { () throws(SegmentError) in
            _ = try trusted
            // The library reads the variable, and takes both. But it does so only when it meets another user's segment.
            _ = try TrustedOwner.inEnvironment()
        }
    }

    var localOptions: [(name: String, isGiven: Bool)] {
        [("--directory", isDirectoryGiven), ("--trust-owner", !trustedOwners.isEmpty)]
    }

    var trusted: Set<TrustedOwner> {
        get throws(SegmentError) {
            var owners: Set<TrustedOwner> = []
            for text in trustedOwners { owners.insert(try TrustedOwner(text)) }
            return owners
        }
    }
}

/// Which segment is meant.
struct SegmentArguments: ParsableArguments {
    @Argument(
        help: "The segment's name. (default: shared, env: SHAREDMEM_NAME)",
        completion: .segments)
    var segment: String?

    @Option(help: "Another way to give the segment's name.", completion: .segments)
    var name: String?

    @OptionGroup var location: SegmentLocation

    func validate() throws {
        if segment != nil, name != nil { throw ValidationError("Give the name once: as an argument or as --name.") }
    }

    /// Nil for the one that the environment names, or `shared`.
    var chosenName: String? { segment ?? name }

    /// The options that are for segments on this host, and whether they are on the command line.
    var localOptions: [(name: String, isGiven: Bool)] { location.localOptions }
}

/// What a segment is like if it is created.
struct CreationOptions: ParsableArguments {
    @Option(.capacity) private var byteCount: ByteCount?
    @Option(.mode) private var fileMode: FileMode?
    @Option(.group) private var groupName: String?

    /// Those that are on the command line.
    private(set) var localOptions: [(name: String, isGiven: Bool)] = []

    private enum CodingKeys: CodingKey { case byteCount, fileMode, groupName }

    /// Nil for that of an existing segment, or the default.
    var capacity: Int? { byteCount?.number }

    /// Nil for that of an existing segment, or the default.
    var mode: UInt32? { fileMode?.bits }

    /// Nil for that of an existing segment, or the default.
    var group: UInt32? {
        get throws(SegmentError) { if let groupName { try AttachmentOptions.groupID(groupName) } else { nil } }
    }

    // The library reads SHAREDMEM_CAPACITY: unlike --capacity, it applies only to a segment that is created.
    mutating func validate() throws {
        localOptions = [("--capacity", byteCount != nil), ("--mode", fileMode != nil), ("--group", groupName != nil)]
        fileMode = try ServerOption.mode.value(fileMode)
        groupName = try ServerOption.group.value(groupName)
        try orInvalid { () throws(SegmentError) in _ = try group }
    }
}

extension SegmentLocation {
    /// How to attach to set the text, and what to create if there is no segment.
    func options(creating creation: CreationOptions) throws -> AttachmentOptions {
        var options = AttachmentOptions(
            lifetime: .persistent, capacity: creation.capacity, directory: directory, mode: creation.mode,
            group: try creation.group, trustedOwners: try trusted)
        options.isOperator = true
        return options
    }
}

/// Reports a user or a group that does not exist as wrong usage.
private func orInvalid(_ check: () throws(SegmentError) -> Void) throws {
    do throws(SegmentError) {
        try check()
    } catch {
        throw ValidationError("\(error)")
    }
}

/// A number of bytes, such as `1048576` or `64M`.
struct ByteCount: ExpressibleByArgument {
    let number: Int

    init?(argument: String) {
        guard let number = Int(byteCount: argument) else { return nil }
        self.number = number
    }
}

/// Permissions in octal.
struct FileMode: ExpressibleByArgument {
    let bits: UInt32

    /// Nil unless the owner may read and write, and nobody may execute.
    init?(argument: String) {
        guard let bits = UInt32(argument, radix: 8), bits & ~0o666 == 0, bits & 0o600 == 0o600 else { return nil }
        self.bits = bits
    }
}

extension Version: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
