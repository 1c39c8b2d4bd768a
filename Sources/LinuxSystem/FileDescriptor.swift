internal import CLinux
internal import Glibc

/// An open file, closed when its life ends and immediately in a forked child.
///
/// A program may close descriptors that are not its own, and then get the same number for another file. So every call checks
/// first that the number still leads to the file.
package struct FileDescriptor: ~Copyable {
    private let openedNumber: CInt
    /// Which opening the number stood for.
    private let serial: UInt64

    /// - Throws: ``SystemError/lostDescriptor`` if the number leads to another file by now, or to none.
    package var number: CInt {
        get throws(SystemError) {
            guard clinux_is_open(openedNumber, serial) else { throw .lostDescriptor }
            return openedNumber
        }
    }

    private init(_ number: CInt, serial: UInt64) {
        openedNumber = number
        self.serial = serial
    }

    /// Opens a file by a call that returns its number and stores its serial number.
    private init(
        _ call: StaticString, on path: String, _ open: (UnsafeMutablePointer<UInt64>) -> CInt
    ) throws(SystemError) {
        var serial: UInt64 = 0
        openedNumber = try systemCall(call, on: path) { unsafe open(&serial) }
        self.serial = serial
    }

    deinit { clinux_close(openedNumber, serial) }

    package enum Access { case readOnly, readWrite }

    package static func open(_ path: String, _ access: Access) throws(SystemError) -> FileDescriptor {
        // The name tells a right to read that is missing from a right to write.
        let (call, flags): (StaticString, CInt) = access == .readOnly ? ("open", O_RDONLY) : ("open(O_RDWR)", O_RDWR)
        return try unsafe FileDescriptor(call, on: path) { unsafe clinux_open(path, flags, $0) }
    }

    /// Creates a file without a name.
    package static func createUnnamed(in directory: String) throws(SystemError) -> FileDescriptor {
        try unsafe FileDescriptor("open(O_TMPFILE)", on: directory) { unsafe clinux_open_unnamed(directory, $0) }
    }

    /// Creates a file at `path`, where there is none.
    package static func createNew(_ path: String) throws(SystemError) -> FileDescriptor {
        let flags = O_CREAT | O_EXCL | O_RDWR
        return try unsafe FileDescriptor("open(O_CREAT)", on: path) { unsafe clinux_open(path, flags, $0) }
    }

    /// Opens a directory, to look up names in it wherever its path leads by then.
    package static func openDirectory(_ path: String) throws(SystemError) -> FileDescriptor {
        try unsafe FileDescriptor("open", on: path) { unsafe clinux_open_directory(path, $0) }
    }

    /// In a forked child, a descriptor for reading a file that its parent had open; nil if there is none.
    package static func inherited(_ identity: FileIdentity) -> FileDescriptor? {
        var serial: UInt64 = 0
        let number = unsafe clinux_take_inherited(UInt64(identity.device), UInt64(identity.inode), &serial)
        return number < 0 ? nil : FileDescriptor(number, serial: serial)
    }

    /// Gives a name to a file that was created without one.
    package func link(to path: String) throws(SystemError) {
        let number = try number
        try systemCall("linkat", on: path) { unsafe clinux_link_unnamed(number, path) }
    }
}

// MARK: Content and memory

extension FileDescriptor {
    /// Fills the buffer, or as much of it as the file has bytes for, and returns how many bytes that was.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
        let number = try number
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

    /// Reads a value of fixed layout and returns how many bytes of it the file has.
    package func read<Value: BitwiseCopyable>(into value: inout Value, at offset: Int) throws(SystemError) -> Int {
        try unsafe withUnsafeMutableBytes(of: &value) { buffer throws(SystemError) in
            unsafe try read(into: buffer, at: offset)
        }
    }

    /// Writes all bytes of a buffer.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        let number = try number
        var total = 0
        while total < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[total...])
            total += try systemCall("pwrite") {
                negatedErrno(unsafe pwrite(number, rest.baseAddress, rest.count, off_t(offset + total)))
            }
        }
    }

    /// Writes a value of fixed layout.
    package func write<Value: BitwiseCopyable>(_ value: Value, at offset: Int) throws(SystemError) {
        let number = try number
        try systemCall("pwrite") {
            unsafe withUnsafeBytes(of: value) { bytes in
                negatedErrno(unsafe pwrite(number, bytes.baseAddress, bytes.count, off_t(offset)))
            }
        }
    }

    package func setMode(_ mode: UInt32) throws(SystemError) {
        let number = try number
        try systemCall("fchmod") { negatedErrno(fchmod(number, mode)) }
    }

    /// Gives the file to another group and, unless it is nil, to another user.
    package func setOwner(_ owner: UInt32? = nil, group: UInt32) throws(SystemError) {
        let number = try number
        // The highest number stands for no change.
        try systemCall("fchown") { negatedErrno(fchown(number, owner ?? .max, group)) }
    }

    /// Sets the times at which the file was read and changed last to the current time.
    package func refreshTimes() throws(SystemError) {
        let number = try number
        try systemCall("futimens") { negatedErrno(futimens(number, nil)) }
    }

    package func setByteCount(_ byteCount: Int) throws(SystemError) {
        let number = try number
        try systemCall("ftruncate") { negatedErrno(ftruncate(number, off_t(byteCount))) }
    }

    /// Puts memory behind a range, so that touching it cannot fail.
    ///
    /// - Returns: false if no memory is left.
    package func reserve(_ range: Range<Int>) throws(SystemError) -> Bool {
        let number = try number
        do throws(SystemError) {
            try systemCall("fallocate") { clinux_reserve(number, Int64(range.lowerBound), Int64(range.count)) }
            return true
        } catch let error where error.isOutOfSpace {
            return false
        }
    }

    /// Gives back the memory behind a range.
    package func punch(_ range: Range<Int>) throws(SystemError) {
        let number = try number
        try systemCall("fallocate(FALLOC_FL_PUNCH_HOLE)") {
            clinux_punch(number, Int64(range.lowerBound), Int64(range.count))
        }
    }
}

// MARK: Locks

/// Open file description locks: they hold across containers, and the kernel drops them once the last descriptor and the
/// last mapping of the description are gone.
extension FileDescriptor {
    package func tryLockExclusive(byte: Int) throws(SystemError) -> Bool { try lock(F_WRLCK, byte) }

    /// Locks the byte for this description together with others, or turns its exclusive lock into a shared one.
    package func tryLockShared(byte: Int) throws(SystemError) -> Bool { try lock(F_RDLCK, byte) }

    package func unlock(byte: Int) throws(SystemError) { _ = try lock(F_UNLCK, byte) }

    private func lock(_ type: CInt, _ byte: Int) throws(SystemError) -> Bool {
        let number = try number
        return try systemCall("fcntl(F_OFD_SETLK)") { clinux_lock(number, type, Int64(byte)) } == 1
    }

    package enum LockState: CInt { case unlocked, shared, exclusive }

    /// The lock that other descriptions hold on the byte.
    package func lockElsewhere(byte: Int) throws(SystemError) -> LockState {
        let number = try number
        let state = try systemCall("fcntl(F_OFD_GETLK)") { clinux_lock_elsewhere(number, Int64(byte)) }
        return LockState(rawValue: state) ?? .exclusive
    }
}
