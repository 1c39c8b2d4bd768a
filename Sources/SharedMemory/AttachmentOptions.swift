import LinuxSystem

/// How long a segment stays.
public enum Lifetime: UInt32, Hashable, Sendable {
    /// Until the last attached process detaches or ends, like a file mapping on Windows.
    case whileAttached = 0
    /// Until the segment is unlinked, or the host reboots.
    case persistent = 1
}

/// What an attachment can be used for.
public enum Access: Hashable, Sendable {
    /// Setting and reading; a segment can have 126 such attachments at a time.
    case readWrite
    /// Reading; it creates nothing, needs no permission to write the file, and any number can exist at a time.
    ///
    /// It ignores ``AttachmentOptions/lifetime``: it cannot make a segment persistent.
    case readOnly
}

/// How to attach to a segment, and how to create it.
public struct AttachmentOptions: Hashable, Sendable {
    public var access: Access
    /// Once any process has attached with ``Lifetime/persistent``, the segment stays persistent.
    public var lifetime: Lifetime
    /// The most bytes that the text can have, fixed when the segment is created.
    ///
    /// If nil, an existing segment is attached whatever its capacity, and a new one gets the capacity in the environment
    /// variable `SHAREDMEM_CAPACITY`, or 1 MiB.
    public var capacity: Int?
    /// The directory of the segment's file, on a tmpfs.
    ///
    /// If nil, it is the environment variable `SHAREDMEM_DIRECTORY`, or `/dev/shm`.
    public var directory: String?
    /// The permissions of a new segment.
    ///
    /// If several users share a segment in a sticky directory such as `/dev/shm`, make it persistent: only its owner or
    /// root can remove a leftover there.
    public var mode: UInt32
    /// Whether to create the segment if it does not exist.
    public var creates: Bool
    /// Users whose segments are trusted, in addition to the caller and root.
    public var trustedOwners: Set<UInt32>

    public init(
        access: Access = .readWrite, lifetime: Lifetime = .whileAttached, capacity: Int? = nil,
        directory: String? = nil, mode: UInt32 = 0o600, creates: Bool = true, trustedOwners: Set<UInt32> = []
    ) {
        self.access = access
        self.lifetime = lifetime
        self.capacity = capacity
        self.directory = directory
        self.mode = mode
        self.creates = creates
        self.trustedOwners = trustedOwners
    }

    package static let defaultCapacity = 1 << 20

    /// The capacity of a new segment: the one asked for, or else the one in the environment, or else the default.
    func capacityToCreate() throws(SegmentError) -> Int {
        let possible = 1...Segment.maximumCapacity
        if let capacity {
            guard possible.contains(capacity) else { throw .invalidCapacity(capacity) }
            return capacity
        }
        guard let text = Environment["SHAREDMEM_CAPACITY"] else { return Self.defaultCapacity }
        guard let capacity = Int(text), possible.contains(capacity) else {
            throw .invalidEnvironment(variable: "SHAREDMEM_CAPACITY", value: text)
        }
        return capacity
    }
}
