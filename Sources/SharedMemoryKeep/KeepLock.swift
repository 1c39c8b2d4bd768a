import LinuxSystem

/// Makes this process the only one that keeps a segment in a directory, for as long as it lives.
struct KeepLock: ~Copyable {
    private let path: String
    private let descriptor: FileDescriptor

    /// - Returns: nil if another process has the lock.
    init?(_ name: String, _ storage: DiskStorage) throws(SystemError) {
        path = storage.path(of: ".\(name).lock")
        // Bounded; again only if the file was removed by the process that had the lock.
        for _ in 0..<100 {
            let descriptor = try Self.open(path)
            guard try descriptor.tryLockExclusive(byte: 0) else { return nil }
            if try Self.leads(path, to: descriptor) {
                self.descriptor = descriptor
                return
            }
        }
        return nil
    }

    /// Whether the lock still counts: its file is gone if the directory was replaced.
    var isInPlace: Bool { (try? Self.leads(path, to: descriptor)) ?? false }

    /// Removes the file, and gives the lock up.
    consuming func remove() { try? Directory.unlink(path) }

    private static func open(_ path: String) throws(SystemError) -> FileDescriptor {
        do throws(SystemError) {
            return try FileDescriptor.open(path, .readWrite)
        } catch let error where error.isForMissingFile {
            do throws(SystemError) {
                return try FileDescriptor.createNew(path)
            } catch let error where error.isForExistingFile {
                return try FileDescriptor.open(path, .readWrite)
            }
        }
    }

    private static func leads(_ path: String, to descriptor: borrowing FileDescriptor) throws(SystemError) -> Bool {
        try FileStatus.ofPath(path)?.identity == descriptor.status().identity
    }
}
