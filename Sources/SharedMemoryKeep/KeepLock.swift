import LinuxSystem

/// Keeps other processes from keeping the same segment, or any in the same directory, for as long as this process lives.
struct KeepLock: ~Copyable {
    private let file: String
    private let isShared: Bool
    private let path: String
    private let descriptor: FileDescriptor

    /// Makes this process the only one that keeps a segment.
    ///
    /// - Returns: nil if another process does.
    init?(_ name: String, _ storage: DiskStorage) throws(SystemError) {
        try self.init(file: ".\(name).lock", storage, isShared: false)
    }

    /// Makes this process one of those that keep segments in a directory, or the only one.
    ///
    /// - Returns: nil if another process is the only one, or if this one cannot be.
    init?(ofDirectory storage: DiskStorage, isShared: Bool) throws(SystemError) {
        // No segment has the empty name.
        try self.init(file: ".lock", storage, isShared: isShared)
    }

    private init?(file: String, _ storage: DiskStorage, isShared: Bool) throws(SystemError) {
        let path = storage.path(of: file)
        // Bounded; again only if the file was removed by the process that had the lock.
        for _ in 0..<100 {
            let descriptor = try Self.open(path)
            let isTaken =
                try isShared ? descriptor.tryLockShared(byte: 0) : descriptor.tryLockExclusive(byte: 0)
            guard isTaken else { return nil }
            if try Self.leads(path, to: descriptor) {
                (self.file, self.isShared, self.path) = (file, isShared, path)
                self.descriptor = descriptor
                return
            }
        }
        return nil
    }

    /// Takes the lock again if it no longer counts: its file is gone if the directory was replaced.
    mutating func hold(_ storage: DiskStorage) throws(KeepFailure) {
        if (try? Self.leads(path, to: descriptor)) == true { return }
        let (file, isShared) = (file, isShared)
        let taken = try fromSystem { () throws(SystemError) in try KeepLock(file: file, storage, isShared: isShared) }
        guard let taken else { throw KeepFailure(reason: "another server keeps text there") }
        self = taken
    }

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
