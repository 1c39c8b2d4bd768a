internal import Glibc
import LinuxSystem

extension OpenFile {
    /// Builds a whole segment in a file without a name, attaches to it, and only then gives it its name: the name never
    /// leads to a half-made segment, whichever process is killed at whatever moment.
    ///
    /// - Returns: the file, with its lifetime byte locked (shared) and row 0 taken; nil if the name is taken.
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
            throw .noSpace(path: file.path, byteCount: Layout.slotsOffset)
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
        guard try fromSystem(descriptor.tryLockShared(byte: Layout.lifetimeLock)),
            try fromSystem(descriptor.tryLockExclusive(byte: Layout.rowLock(0)))
        else { return nil }
        try fromSystem(descriptor.setMode(options.mode))
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
        return OpenFile(file: file, descriptor: descriptor, status: status, identity: identity, access: .readWrite)
    }

    private static func fill(
        _ descriptor: borrowing FileDescriptor, _ file: SegmentFile, _ options: AttachmentOptions
    ) throws(SegmentError) -> Identity {
        guard try fromSystem(descriptor.isOnTmpfs()) else { throw .notInMemory(path: file.directory) }
        let capacity = try options.capacityToCreate()
        let byteCount = Layout.fileByteCount(capacity: capacity)
        // Beyond this limit the kernel does not refuse: it kills the process (SIGXFSZ).
        if let limit = Host.fileSizeLimit, limit < UInt64(byteCount) {
            throw .fileSizeLimit(limit: limit, needed: byteCount)
        }
        let bootID = try fromSystem(Host.bootID)
        let identity = Identity(
            magic: Layout.magic, layoutVersion: Layout.version, lifetime: options.lifetime.rawValue,
            capacity: UInt64(capacity), instance: .random(in: .min ... .max), bootIDHigh: bootID.0,
            bootIDLow: bootID.1, creationTime: Clock.realtimeNanoseconds, features: 0)
        try fromSystem(descriptor.setByteCount(byteCount))
        guard try fromSystem(descriptor.reserve(0..<Layout.slotsOffset)) else {
            throw .noSpace(path: file.path, byteCount: Layout.slotsOffset)
        }
        try fromSystem(descriptor.write(identity, at: 0))
        if options.mode & 0o044 != 0 { try fromSystem(descriptor.write(UInt32(1), at: Layout.wakesAlwaysOffset)) }
        return identity
    }
}
