import LinuxSystem

/// How long a segment stays.
public enum Lifetime: UInt32, Hashable, Sendable {
    /// Gone when the last process detaches or ends, as a file mapping on Windows.
    case whileAttached = 0
    /// There until it is unlinked, or the host boots.
    case persistent = 1
}

/// What an attachment may do.
public enum Access: Hashable, Sendable {
    /// Sets and reads; at most 126 at a time.
    case readWrite
    /// Reads only, creates nothing, and needs no right to write the file; any number at a time.
    ///
    /// It has no say in how long a segment stays: ``Lifetime/persistent`` asked for here is not heard.
    case readOnly
}

/// What to ask for when attaching.
public struct AttachmentOptions: Hashable, Sendable {
    public var access: Access
    /// Asking for persistence at any attach makes it stick.
    public var lifetime: Lifetime
    /// The most bytes a text can have, fixed when the segment is created.
    ///
    /// Nil takes an existing segment as it is, and creates one of `SHAREDMEM_CAPACITY` bytes or 1 MiB.
    public var capacity: Int?
    /// A directory on a tmpfs.
    ///
    /// Nil is `SHAREDMEM_DIRECTORY`, or `/dev/shm`.
    public var directory: String?
    /// The permissions of a segment that is created.
    ///
    /// Where several users share one in a sticky directory, as `/dev/shm` is, make it persistent: a
    /// leftover can be removed there only by its owner or root.
    public var mode: UInt32
    /// Whether a segment that is not there is created.
    public var creates: Bool
    /// Users whose segments are trusted, beside the caller's and root's.
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

    /// The capacity asked for or, in a segment to be created, the default.
    ///
    /// - Throws: ``SegmentError/invalidCapacity(_:)``
    func capacityToCreate() throws(SegmentError) -> Int {
        var capacity = capacity
        if capacity == nil { capacity = try Self.capacityInEnvironment() }
        let requested = capacity ?? 1 << 20
        guard (1...Segment.maximumCapacity).contains(requested) else { throw .invalidCapacity(requested) }
        return requested
    }

    private static func capacityInEnvironment() throws(SegmentError) -> Int? {
        guard let text = Environment["SHAREDMEM_CAPACITY"] else { return nil }
        guard let capacity = Int(text) else {
            throw .invalidEnvironment(variable: "SHAREDMEM_CAPACITY", value: text)
        }
        return capacity
    }
}
