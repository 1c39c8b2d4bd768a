public import ArgumentParser
public import SharedMemory

/// Where a segment is.
struct Place: ParsableArguments {
    @Option(help: "The directory of the segments, on a tmpfs. (default: /dev/shm)", completion: .directory)
    var directory: String?

    @Option(
        name: .customLong("trust-owner"),
        help: ArgumentHelp("Trust segments of this user, beside one's own and root's.", valueName: "uid"))
    var trustedOwners: [UInt32] = []

    var trusted: Set<UInt32> { Set(trustedOwners) }

    func validate() throws {
        if directory == "" { throw ValidationError("The directory is empty: name one, or leave --directory out.") }
    }
}

/// Which segment is meant.
struct SegmentArguments: ParsableArguments {
    @Argument(help: "The segment's name.", completion: .custom { _, _, _ in (try? Segment.list()) ?? [] })
    var segment: String?

    @Option(help: "The segment's name, the other way to say it.")
    var name: String?

    @OptionGroup var place: Place

    func validate() throws {
        if segment != nil, name != nil { throw ValidationError("Give the name once: as an argument or as --name.") }
    }

    /// Nil for the one of the environment, or `shared`.
    var chosenName: String? { segment ?? name }
}

/// What a segment is like that is created.
struct CreationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The most bytes a text can have, if the segment is created. (default: 1048576)", valueName: "bytes"))
    var capacity: Int?

    @Option(
        help: ArgumentHelp("The permissions, octal, if the segment is created. (default: 600)", valueName: "mode"),
        transform: { text in
            guard let mode = UInt32(text, radix: 8), mode & ~0o666 == 0, mode & 0o600 == 0o600 else {
                throw ValidationError("'\(text)' is not a mode: use 600, 640, 660, 644, 666, …")
            }
            return mode
        })
    var mode: UInt32 = 0o600
}

extension Version: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
