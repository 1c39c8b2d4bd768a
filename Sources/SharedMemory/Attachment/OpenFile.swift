internal import Glibc
import LinuxSystem

/// A segment's file, opened and recognized, but not locked or mapped yet.
struct OpenFile: ~Copyable {
    let file: SegmentFile
    let descriptor: FileDescriptor
    let status: FileStatus
    let identity: Identity
    let access: Access

    var capacity: Int { Int(identity.capacity) }

    /// Opens the file that the name leads to; nil if there is none.
    ///
    /// It reads the file only by `pread`, as a file that is shorter than its header says would raise `SIGBUS` in a mapping.
    ///
    /// - Parameter forUnlinking: whether a segment that this library cannot use is opened too.
    static func open(
        _ file: SegmentFile, _ options: AttachmentOptions, forUnlinking: Bool = false
    ) throws(SegmentError) -> OpenFile? {
        let path = file.path
        guard let descriptor = try openDescriptor(file, options.access) else { return nil }
        let status = try fromSystem(descriptor.status())
        guard status.kind == .regular else { throw .notASegment(path: path, reason: "it is not a regular file") }
        guard try fromSystem(descriptor.isOnTmpfs()) else { throw .notInMemory(path: path) }
        try checkOwner(status.owner, path, options)
        let identity = try Identity.read(from: descriptor, path)
        if !forUnlinking { try identity.checkUse(status, path) }
        return OpenFile(file: file, descriptor: descriptor, status: status, identity: identity, access: options.access)
    }

    private static func openDescriptor(_ file: SegmentFile, _ access: Access) throws(SegmentError) -> FileDescriptor? {
        do throws(SystemError) {
            return try .open(file.path, access == .readOnly ? .readOnly : .readWrite)
        } catch {
            switch error.code {
            case ENOENT: return nil
            case ELOOP: throw .notASegment(path: file.path, reason: "it is a symbolic link")
            case EISDIR: throw .notASegment(path: file.path, reason: "it is a directory")
            case ENXIO: throw .notASegment(path: file.path, reason: "it is a socket or a device")
            // The file has a lease: the kernel has asked its holder to give it up, and gives the holder some time.
            case EAGAIN: throw .busy(doing: "opening '\(file.name)'")
            default: throw SegmentError(error)
            }
        }
    }

    /// Refuses a file of an untrusted user, who may have put it into a world-writable directory.
    private static func checkOwner(_ owner: UInt32, _ path: String, _ options: AttachmentOptions) throws(SegmentError) {
        if options.trustedOwners.contains(owner) { return }
        // In a user namespace, the overflow user stands for every user that the namespace does not know.
        let isKnown = owner == 0 || owner == Host.effectiveUser
        guard isKnown, try fromSystem(owner != Host.overflowUser) else {
            throw .untrustedOwner(path: path, owner: owner)
        }
    }

    /// Whether any process has asked for persistence, at creation or since.
    func isPersistent() throws(SegmentError) -> Bool {
        if identity.lifetime == Lifetime.persistent.rawValue { return true }
        var sticky: UInt32 = 0
        _ = try fromSystem(descriptor.read(into: &sticky, at: Layout.persistentOffset))
        return sticky != 0
    }
}

extension Identity {
    fileprivate static func read(
        from descriptor: borrowing FileDescriptor, _ path: String
    ) throws(SegmentError) -> Identity {
        var identity = Identity(
            magic: 0, layoutVersion: 0, lifetime: 0, capacity: 0, instance: 0, bootIDHigh: 0, bootIDLow: 0,
            creationTime: 0, features: 0)
        let count = try fromSystem(descriptor.read(into: &identity, at: 0))
        guard count == MemoryLayout<Identity>.size else {
            throw .notASegment(path: path, reason: "it has only \(count) bytes")
        }
        guard identity.magic == Layout.magic else {
            throw .notASegment(path: path, reason: "it does not begin like a segment")
        }
        return identity
    }

    func checkUse(_ status: FileStatus, _ path: String) throws(SegmentError) {
        guard layoutVersion == Layout.version else {
            throw .notASegment(
                path: path,
                reason: "its layout version is \(layoutVersion), and this library's is \(Layout.version); use the same "
                    + "library in all programs, or unlink the segment")
        }
        guard features == 0 else {
            throw .notASegment(path: path, reason: "it has features that this library does not know (\(features))")
        }
        guard Lifetime(rawValue: lifetime) != nil, (1...UInt64(Segment.maximumCapacity)).contains(capacity) else {
            throw .notASegment(path: path, reason: "its header is invalid")
        }
        let expected = Layout.fileByteCount(capacity: Int(capacity))
        guard status.byteCount == expected else {
            throw .notASegment(path: path, reason: "it has \(status.byteCount) bytes instead of \(expected)")
        }
        let bootID = try fromSystem(Host.bootID)
        let isKnown = bootID != (0, 0) && (bootIDHigh, bootIDLow) != (0, 0)
        guard !isKnown || bootID == (bootIDHigh, bootIDLow) else { throw .otherKernel(path: path) }
    }
}
