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
    /// Setting and reading.
    case readWrite
    /// Reading; it creates nothing, and needs no permission to write the file.
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
    /// How many processes can read a new segment in place and keep a place to set it from, 2 to 16,384.
    ///
    /// Any number of processes can use a segment. Those beyond this number read copies, and take turns to set.
    public var rowCount: Int
    /// How many borrows and Readers of a new segment can read in place at a time, 1 to 16,384; any others read copies.
    public var pinCount: Int
    /// The directory of the segment's file, on a tmpfs.
    ///
    /// If nil, it is the environment variable `SHAREDMEM_DIRECTORY`, or `/dev/shm`.
    public var directory: String?
    /// The permissions of the segment's file; nil stands for 0600 if the segment is created, and leaves those of an existing
    /// segment as they are.
    ///
    /// If an existing segment has another mode, attaching changes it, which only the file's owner and root may do. If it
    /// cannot, it fails with ``SegmentError/permissionsMismatch(path:mode:group:owner:)``.
    ///
    /// If several users share a segment in a sticky directory such as `/dev/shm`, make it persistent: only its owner or
    /// root can remove a leftover there.
    public var mode: UInt32?
    /// The id of the group of the segment's file, for a mode that lets the group in; nil leaves it to the system if the
    /// segment is created, and to an existing segment.
    ///
    /// The caller must be a member, or root; otherwise attaching fails with ``SegmentError/groupNotPermitted(group:)``, and
    /// creates nothing. The group of an existing segment is changed as its ``mode`` is. ``groupID(_:)`` looks up a name.
    public var group: UInt32?
    /// Whether to create the segment if it does not exist.
    public var creates: Bool
    /// Whose segments are trusted, in addition to those of the caller, of root, and of the users that the environment
    /// variable `SHAREDMEM_TRUST_OWNER` names.
    public var trustedOwners: Set<TrustedOwner>
    /// Whether root does without trusting the owner: for an operation that takes no part in the segment.
    var rootTrustsAll = false
    /// Whether an existing segment is attached whatever its mode and its group.
    var leavesPermissions = false
    /// Whether the attachment is an operator's, which keeps a reserved row if all others are taken.
    package var isOperator = false
    /// Why a forked child only reads, although its parent could set.
    var reasonForReadingOnly: SegmentError?
    /// Whether this process's other attachments to the same segment are shared, as they are except in tests.
    package var sharesAttachment = true

    public init(
        access: Access = .readWrite, lifetime: Lifetime = .whileAttached, capacity: Int? = nil,
        rowCount: Int = defaultRowCount, pinCount: Int = defaultPinCount, directory: String? = nil,
        mode: UInt32? = nil, group: UInt32? = nil, creates: Bool = true, trustedOwners: Set<TrustedOwner> = []
    ) {
        self.access = access
        self.lifetime = lifetime
        self.capacity = capacity
        self.rowCount = rowCount
        self.pinCount = pinCount
        self.directory = directory
        self.mode = mode
        self.group = group
        self.creates = creates
        self.trustedOwners = trustedOwners
    }

    /// 1 MiB.
    public static let defaultCapacity = 1 << 20
    /// 0600: for the owner alone.
    public static let defaultMode: UInt32 = 0o600
    public static let defaultRowCount = 1024
    public static let defaultPinCount = 1024

    /// The sizes of a new segment.
    func geometryToCreate() throws(SegmentError) -> Geometry {
        guard Geometry.possibleRowCounts.contains(rowCount) else { throw .invalidRowCount(rowCount) }
        guard Geometry.possiblePinCounts.contains(pinCount) else { throw .invalidPinCount(pinCount) }
        return Geometry(capacity: try capacityToCreate(), rowCount: rowCount, pinCount: pinCount)
    }

    /// The capacity that was asked for, or else the one in the environment, or else the default.
    package func capacityToCreate() throws(SegmentError) -> Int {
        let possible = Geometry.possibleCapacities
        if let capacity {
            guard possible.contains(capacity) else { throw .invalidCapacity(capacity) }
            return capacity
        }
        guard let text = Environment["SHAREDMEM_CAPACITY"] else { return Self.defaultCapacity }
        guard let capacity = Int(byteCount: text), possible.contains(capacity) else {
            throw .invalidEnvironment(variable: "SHAREDMEM_CAPACITY", value: text)
        }
        return capacity
    }
}

extension Int {
    /// Reads a number of bytes such as `1048576`, `64K`, `64M` or `1G`; nil for anything else.
    package init?(byteCount text: String) {
        let units: [Character: Int] = [
            "K": 1 << 10, "k": 1 << 10, "M": 1 << 20, "m": 1 << 20, "G": 1 << 30, "g": 1 << 30,
        ]
        let unit = text.last.flatMap { units[$0] }
        guard let number = Int(unit == nil ? text[...] : text.dropLast()) else { return nil }
        let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: unit ?? 1)
        if isTooMuch { return nil }
        self = bytes
    }
}
