internal import Glibc
import LinuxSystem

extension OpenFile {
    /// Builds a whole segment in a file without a name, attaches to it, and only then gives it its name: the name never
    /// leads to a half-made segment, whichever process is killed at whatever moment.
    ///
    /// - Returns: the file, with its lifetime byte locked (shared); nil if the name is taken.
    static func create(_ file: SegmentFile, _ options: AttachmentOptions) throws(SegmentError) -> OpenFile? {
        do throws(SegmentError) {
            do throws(SegmentError) {
                return try create(file, options, under: nil)
            } catch .system(_, let code) where [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(code) {
                // There are no unnamed files here, or there is no /proc through which to name one. So the file gets a
                // name that no segment can have, until it is renamed or this fails.
                let suffix = String(UInt64.random(in: .min ... .max), radix: 16)
                let temporaryPath = "\(file.directory)/.\(file.name).\(suffix)"
                defer { try? Directory.unlink(temporaryPath) }
                return try create(file, options, under: temporaryPath)
            }
        } catch .system(let call, let code) where SystemError(call: call, code: code).isOutOfSpace {
            throw .noSpace(path: file.path, byteCount: Layout.pageByteCount)
        }
    }

    static func create(
        _ file: SegmentFile, _ options: AttachmentOptions, under temporaryPath: String?
    ) throws(SegmentError) -> OpenFile? {
        let descriptor =
            if let temporaryPath {
                try fromSystem(FileDescriptor.createNew(temporaryPath))
            } else {
                try fromSystem(FileDescriptor.createUnnamed(in: file.directory))
            }
        let identity = try fill(descriptor, file, options)
        // Locked before another process can open it, as it could under a temporary name.
        guard try fromSystem(descriptor.tryLockShared(byte: Layout.lifetimeLock)) else { return nil }
        if let group = options.group { try setGroup(group, of: descriptor) }
        try fromSystem(descriptor.setMode(options.mode ?? AttachmentOptions.defaultMode))
        PausePoint.attachBuilt.reached()
        do throws(SystemError) {
            if let temporaryPath {
                try Directory.rename(temporaryPath, toNew: file.path)
            } else {
                try descriptor.link(to: file.path)
            }
        } catch {
            if error.code == EEXIST { return nil }
            throw SegmentError(error)
        }
        PausePoint.attachNamed.reached()
        let status = try fromSystem(descriptor.status())
        return try OpenFile(file, descriptor, status, identity, .readWrite)
    }

    private static func fill(
        _ descriptor: borrowing FileDescriptor, _ file: SegmentFile, _ options: AttachmentOptions
    ) throws(SegmentError) -> Identity {
        guard try fromSystem(descriptor.isOnTmpfs()) else { throw .notInMemory(path: file.directory) }
        // What could not be opened again is not created.
        let status = try fromSystem(descriptor.status())
        try checkOwner(status.owner, file.path, options)
        let geometry = try options.geometryToCreate()
        let identity = try Identity(
            geometry, options.lifetime, instance: .random(in: .min ... .max), creationTime: Clock.realtimeNanoseconds,
            status)
        try lay(out: identity, mode: options.mode ?? AttachmentOptions.defaultMode, in: descriptor, file)
        return identity
    }

    /// Writes the header of a new segment, whose text is empty.
    static func lay(
        out identity: Identity, mode: UInt32, in descriptor: borrowing FileDescriptor, _ file: SegmentFile
    ) throws(SegmentError) {
        let geometry = identity.geometry
        // Beyond this limit the kernel does not refuse: it kills the process (SIGXFSZ).
        if let limit = Host.fileSizeLimit, limit < UInt64(geometry.fileByteCount) {
            throw .fileSizeLimit(limit: limit, needed: geometry.fileByteCount)
        }
        try fromSystem(descriptor.setByteCount(geometry.fileByteCount))
        // Memory for what comes before the pins, and for the first lines of each table.
        var needed = [0..<Layout.pinsOffset]
        for table in Table.allCases {
            needed.append(geometry.lines(0..<min(Table.step, geometry.count(of: table)), of: table))
        }
        for range in needed {
            guard try fromSystem(descriptor.reserve(range)) else {
                throw .noSpace(path: file.path, byteCount: Layout.pageByteCount)
            }
        }
        try fromSystem(descriptor.write(identity, at: 0))
        for table in Table.allCases {
            let mark = min(table.initialMark, geometry.count(of: table))
            try fromSystem(descriptor.write(UInt64(mark), at: Layout.marksOffset + 8 * table.rawValue))
        }
        if mode.letsOthersRead { try fromSystem(descriptor.write(UInt32(1), at: Layout.wakesAlwaysOffset)) }
    }
}

extension Identity {
    /// The identity of a file that this process builds.
    init(
        _ geometry: Geometry, _ lifetime: Lifetime, instance: UInt64, creationTime: UInt64, _ status: FileStatus
    ) throws(SegmentError) {
        let bootID = try fromSystem(Host.bootID)
        self.init(
            magic: Layout.magic, layoutVersion: Layout.version, lifetime: lifetime.rawValue,
            capacity: UInt64(geometry.capacity), instance: instance, bootIDHigh: bootID.0, bootIDLow: bootID.1,
            creationTime: creationTime, features: 0, rowCount: UInt32(geometry.rowCount),
            pinCount: UInt32(geometry.pinCount), inode: UInt64(status.identity.inode))
    }
}
