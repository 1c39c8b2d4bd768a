internal import Glibc
import LinuxSystem

/// A segment's file, opened and recognized.
final class OpenFile: Sendable {
    let file: SegmentFile
    let descriptor: FileDescriptor
    /// Where the file has its name, whatever is mounted over the directory's path later; nil for want of rights.
    private let directory: FileDescriptor?
    /// When it was opened.
    let status: FileStatus
    let identity: Identity
    let access: Access

    init(
        _ file: SegmentFile, _ descriptor: consuming FileDescriptor, _ status: FileStatus, _ identity: Identity,
        _ access: Access
    ) throws(SegmentError) {
        do throws(SystemError) {
            directory = try FileDescriptor.openDirectory(file.directory)
        } catch {
            guard error.code == EACCES else { throw SegmentError(error) }
            directory = nil
        }
        self.file = file
        self.descriptor = descriptor
        self.status = status
        self.identity = identity
        self.access = access
    }

    /// For a file whose identity was checked.
    var geometry: Geometry { identity.geometry }

    /// Opens the file that the name leads to; nil if there is none.
    ///
    /// It reads the file only by `pread`, as a file that is shorter than its header says would raise `SIGBUS` in a mapping.
    ///
    /// - Parameters:
    ///   - forUnlinking: whether a segment that this library cannot use is opened too.
    ///   - forListing: whether any owner will do, because neither the text nor the mapping is used.
    static func open(
        _ file: SegmentFile, _ options: AttachmentOptions, forUnlinking: Bool = false, forListing: Bool = false
    ) throws(SegmentError) -> OpenFile? {
        let path = file.path
        guard let descriptor = try openDescriptor(file, options.access) else { return nil }
        let status = try fromSystem(descriptor.status())
        guard status.kind == .regular else { throw .notASegment(path: path, reason: "it is not a regular file") }
        guard try fromSystem(descriptor.isOnTmpfs()) else { throw .notInMemory(path: path) }
        if !forListing { try checkOwner(status.owner, path, options) }
        let identity = try Identity.read(from: descriptor, path)
        if !forUnlinking { try identity.checkUse(status, path) }
        return try OpenFile(file, descriptor, status, identity, options.access)
    }

    /// Takes a parent's file, which needs no right: the parent had it.
    static func inherited(_ file: SegmentFile, _ descriptor: consuming FileDescriptor) throws(SegmentError) -> OpenFile
    {
        let status = try fromSystem(descriptor.status())
        let identity = try Identity.read(from: descriptor, file.path)
        try identity.checkUse(status, file.path)
        return try OpenFile(file, descriptor, status, identity, .readOnly)
    }

    // MARK: The name

    /// Whether the file has lost its name: it has no name at all any more, or its name leads to another file.
    ///
    /// That no file is found at the path proves nothing, because a file system may be mounted over the directory; nor does a
    /// path that this process has no right to look at.
    func hasLostName() throws(SegmentError) -> Bool {
        if try fromSystem(descriptor.status()).linkCount == 0 { return true }
        do throws(SegmentError) {
            if let found = try fromSystem(FileStatus.ofPath(file.path)) { return found.identity != status.identity }
            return try !isInDirectory()
        } catch .system(_, EACCES) {
            return false
        }
    }

    /// Whether the name leads to the file, in the directory that was at the path when the file was opened.
    func isInDirectory() throws(SegmentError) -> Bool {
        switch directory {
        case .some(let directory): try fromSystem(directory.status(ofName: file.fileName))?.identity == status.identity
        case .none: throw .system(call: "open \(file.directory)", code: EACCES)
        }
    }

    func unlink() throws(SegmentError) {
        switch directory {
        case .some(let directory): try fromSystem(directory.unlink(file.fileName))
        case .none: throw .system(call: "open \(file.directory)", code: EACCES)
        }
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
    static func checkOwner(_ owner: UInt32, _ path: String, _ options: AttachmentOptions) throws(SegmentError) {
        if options.trustedOwners.contains(.user(owner)) { return }
        // In a user namespace, the overflow user stands for every user that the namespace does not know.
        let isMapped = try fromSystem(owner != Host.overflowUser)
        let isKnown = owner == 0 || owner == Host.effectiveUser
        if isKnown, isMapped { return }
        if options.rootTrustsAll, isMapped, Host.effectiveUser == 0 { return }
        // The environment comes last: it may need look-ups, and a wrong name in it does not hinder what is trusted
        // anyway.
        let trusted = options.trustedOwners.union(try TrustedOwner.inEnvironment())
        if trusted.contains(.user(owner)) { return }
        let groups = trusted.compactMap { if case .group(let group) = $0 { group } else { nil } }
        if isMapped, !groups.isEmpty {
            // The overflow user may be a member of some group, but the users that it stands for need not be.
            let memberships = try fromSystem(Accounts.groups(ofUser: owner))
            if !memberships.isDisjoint(with: groups) { return }
        }
        throw .untrustedOwner(path: path, owner: owner)
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
    static func read(
        from descriptor: borrowing FileDescriptor, _ path: String
    ) throws(SegmentError) -> Identity {
        var identity = Identity.zero
        let count = try fromSystem(descriptor.read(into: &identity, at: 0))
        guard count == MemoryLayout<Identity>.size else {
            throw .notASegment(path: path, reason: "it has only \(count) bytes")
        }
        guard identity.magic == Layout.magic else {
            throw .notASegment(path: path, reason: "it does not begin like a segment")
        }
        return identity
    }

    var geometry: Geometry {
        Geometry(capacity: Int(capacity), rowCount: Int(rowCount), pinCount: Int(pinCount))
    }

    func checkUse(_ status: FileStatus, _ path: String) throws(SegmentError) {
        guard layoutVersion == Layout.version else {
            throw .otherLayout(path: path, version: Int(layoutVersion), ownVersion: Int(Layout.version))
        }
        guard features == 0 else {
            throw .notASegment(path: path, reason: "it has features that this library does not know (\(features))")
        }
        guard Lifetime(rawValue: lifetime) != nil, Geometry.possibleCapacities.contains(Int(clamping: capacity)),
            Geometry.possibleRowCounts.contains(Int(rowCount)), Geometry.possiblePinCounts.contains(Int(pinCount))
        else {
            throw .notASegment(path: path, reason: "its header is invalid")
        }
        let expected = geometry.fileByteCount
        guard status.byteCount == expected else {
            throw .notASegment(path: path, reason: "it has \(status.byteCount) bytes instead of \(expected)")
        }
        guard inode == UInt64(status.identity.inode) else {
            throw .notASegment(path: path, reason: SegmentError.reasonOfCopy)
        }
        try checkKernel(path)
    }

    /// Refuses a file of another kernel, or of an earlier boot.
    func checkKernel(_ path: String) throws(SegmentError) {
        let bootID = try fromSystem(Host.bootID)
        let isKnown = bootID != (0, 0) && (bootIDHigh, bootIDLow) != (0, 0)
        guard !isKnown || bootID == (bootIDHigh, bootIDLow) else { throw .otherKernel(path: path) }
    }
}
