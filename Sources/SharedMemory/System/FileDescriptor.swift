import CLinux
internal import Glibc

/// An open file, closed at the end of its life, and at once in a forked child.
struct FileDescriptor: ~Copyable {
    let number: CInt

    deinit { clinux_close(number) }
}

// MARK: Opening

extension FileDescriptor {
    enum Access { case readOnly, readWrite }

    static func open(_ path: String, _ access: Access) throws(SegmentError) -> FileDescriptor {
        let flags = access == .readOnly ? O_RDONLY : O_RDWR
        return FileDescriptor(number: try systemCall("open", on: path) { unsafe clinux_open(path, flags) })
    }

    /// Creates a file without a name.
    static func createUnnamed(in directory: String) throws(SegmentError) -> FileDescriptor {
        FileDescriptor(
            number: try systemCall("open(O_TMPFILE)", on: directory) { unsafe clinux_open_unnamed(directory) })
    }

    /// Creates a file at `path`, where there is none.
    static func createNew(_ path: String) throws(SegmentError) -> FileDescriptor {
        FileDescriptor(number: try systemCall("open(O_CREAT)", on: path) { unsafe clinux_open_new(path) })
    }

    /// Gives a file without a name its name.
    func link(to path: String) throws(SegmentError) {
        try systemCall("linkat", on: path) { unsafe clinux_link_unnamed(number, path) }
    }
}

// MARK: What it is

/// Which file it is: the same name can come to lead to another.
struct FileIdentity: Equatable {
    let device: UInt
    let inode: UInt
}

struct FileStatus {
    let identity: FileIdentity
    let isRegular: Bool
    let owner: UInt32
    let mode: UInt32
    let byteCount: Int
    /// How many names it has.
    let linkCount: Int
    /// Bytes of memory behind it.
    let allocatedByteCount: Int

    fileprivate init(_ status: stat) {
        identity = FileIdentity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
        isRegular = status.st_mode & S_IFMT == S_IFREG
        owner = status.st_uid
        mode = status.st_mode & 0o7777
        byteCount = Int(status.st_size)
        linkCount = Int(status.st_nlink)
        allocatedByteCount = Int(status.st_blocks) * 512
    }

    /// The status of what `path` itself is, links not followed; nil when there is nothing.
    static func ofPath(_ path: String) throws(SegmentError) -> FileStatus? {
        var status = stat()
        do {
            try systemCall("lstat", on: path) { negatedErrno(unsafe lstat(path, &status)) }
        } catch .system(_, ENOENT) {
            return nil
        }
        return FileStatus(status)
    }
}

extension FileDescriptor {
    func status() throws(SegmentError) -> FileStatus {
        var status = stat()
        try systemCall("fstat") { negatedErrno(unsafe fstat(number, &status)) }
        return FileStatus(status)
    }

    func isOnTmpfs() throws(SegmentError) -> Bool {
        try systemCall("fstatfs") { clinux_is_tmpfs(number) } == 1
    }
}

// MARK: Content and memory

extension FileDescriptor {
    /// Fills the buffer, or as much of it as there is, and returns how much that was.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SegmentError) -> Int {
        var total = 0
        while total < buffer.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[total...])
            let count = try systemCall("pread") {
                negatedErrno(unsafe pread(number, rest.baseAddress, rest.count, off_t(offset + total)))
            }
            if count == 0 { break }
            total += count
        }
        return total
    }

    /// Writes a small value, whole.
    func write<Value: BitwiseCopyable>(_ value: Value, at offset: Int) throws(SegmentError) {
        try systemCall("pwrite") {
            unsafe withUnsafeBytes(of: value) { bytes in
                negatedErrno(unsafe pwrite(number, bytes.baseAddress, bytes.count, off_t(offset)))
            }
        }
    }

    func setMode(_ mode: UInt32) throws(SegmentError) {
        try systemCall("fchmod") { negatedErrno(fchmod(number, mode)) }
    }

    func setByteCount(_ byteCount: Int) throws(SegmentError) {
        try systemCall("ftruncate") { negatedErrno(ftruncate(number, off_t(byteCount))) }
    }

    /// Puts memory behind a range, so that touching it can not fail.
    ///
    /// - Returns: false when no memory is left.
    func reserve(_ range: Range<Int>) throws(SegmentError) -> Bool {
        do throws(SegmentError) {
            try systemCall("fallocate") { clinux_reserve(number, Int64(range.lowerBound), Int64(range.count)) }
            return true
        } catch .system(_, let code) where Errno.isOutOfSpace(code) {
            return false
        }
    }

    /// Gives the memory behind a range back.
    func punch(_ range: Range<Int>) throws(SegmentError) {
        try systemCall("fallocate(FALLOC_FL_PUNCH_HOLE)") {
            clinux_punch(number, Int64(range.lowerBound), Int64(range.count))
        }
    }
}

// MARK: Locks

/// Open file description locks: they hold across containers, and the kernel drops them when
/// the last descriptor and the last mapping of the description are gone.
extension FileDescriptor {
    func tryLockExclusive(byte: Int) throws(SegmentError) -> Bool {
        try systemCall("fcntl(F_OFD_SETLK)") { clinux_lock_exclusive(number, Int64(byte)) } == 1
    }

    /// Takes the byte for this description together with others; turns its exclusive lock into a shared one.
    func tryLockShared(byte: Int) throws(SegmentError) -> Bool {
        try systemCall("fcntl(F_OFD_SETLK)") { clinux_lock_shared(number, Int64(byte)) } == 1
    }

    func unlock(byte: Int) throws(SegmentError) {
        try systemCall("fcntl(F_OFD_SETLK)") { clinux_unlock(number, Int64(byte)) }
    }

    enum LockState: CInt { case unlocked, shared, exclusive }

    /// What other descriptions hold on the byte.
    func lockElsewhere(byte: Int) throws(SegmentError) -> LockState {
        let state = try systemCall("fcntl(F_OFD_GETLK)") { clinux_lock_elsewhere(number, Int64(byte)) }
        return LockState(rawValue: state) ?? .exclusive
    }
}
