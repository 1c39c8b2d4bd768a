internal import CLinux
internal import Glibc

/// Which file this is: one name can lead to different files over time.
package struct FileIdentity: Hashable, Sendable {
    package let device: UInt
    package let inode: UInt
}

/// What the file system knows about a file.
package struct FileStatus: Sendable {
    package let identity: FileIdentity
    package let kind: Kind
    /// A user id.
    package let owner: UInt32
    /// A group id.
    package let group: UInt32
    /// The permissions.
    package let mode: UInt32
    package let byteCount: Int
    /// The bytes of memory or disk behind the file.
    package let allocatedByteCount: Int
    /// The number of names the file has.
    package let linkCount: Int
    /// When the content or anything else about the file was changed last, in nanoseconds since 1970.
    package let changeNanoseconds: UInt64

    package enum Kind: Sendable { case regular, directory, symbolicLink, socket, other }

    init(_ status: stat) {
        identity = FileIdentity(status)
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFSOCK: .socket
            default: .other
            }
        owner = status.st_uid
        group = status.st_gid
        mode = status.st_mode & 0o7777
        byteCount = Int(status.st_size)
        allocatedByteCount = Int(status.st_blocks) * 512
        linkCount = Int(status.st_nlink)
        changeNanoseconds = Clock.nanoseconds(status.st_ctim)
    }

    /// The status of the file at `path`; nil if there is none.
    ///
    /// - Parameter followsLinks: if false, a symbolic link is a file itself.
    package static func ofPath(_ path: String, followsLinks: Bool = false) throws(SystemError) -> FileStatus? {
        var status = stat()
        do throws(SystemError) {
            try systemCall(followsLinks ? "stat" : "lstat", on: path) {
                negatedErrno(unsafe followsLinks ? stat(path, &status) : lstat(path, &status))
            }
        } catch let error where error.code == ENOENT {
            return nil
        }
        return FileStatus(status)
    }
}

extension FileIdentity {
    init(_ status: stat) { self.init(device: UInt(status.st_dev), inode: UInt(status.st_ino)) }
}

extension FileDescriptor {
    package func status() throws(SystemError) -> FileStatus {
        var status = stat()
        let number = try number
        try systemCall("fstat") { negatedErrno(unsafe fstat(number, &status)) }
        return FileStatus(status)
    }

    /// The status of a name in this directory; nil if the directory has no such name.
    ///
    /// Symbolic links are not followed.
    package func status(ofName name: String) throws(SystemError) -> FileStatus? {
        var status = stat()
        let number = try number
        do throws(SystemError) {
            try systemCall("fstatat", on: name) {
                negatedErrno(unsafe fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW))
            }
        } catch let error where error.code == ENOENT {
            return nil
        }
        return FileStatus(status)
    }

    /// Removes a name from this directory.
    package func unlink(_ name: String) throws(SystemError) {
        let number = try number
        try systemCall("unlinkat", on: name) { negatedErrno(unsafe unlinkat(number, name, /* flags: */ 0)) }
    }

    package func isOnTmpfs() throws(SystemError) -> Bool {
        var status = statfs()
        let number = try number
        try systemCall("fstatfs") { negatedErrno(unsafe fstatfs(number, &status)) }
        return status.f_type == TMPFS_MAGIC
    }
}
