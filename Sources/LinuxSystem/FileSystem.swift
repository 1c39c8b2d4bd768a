internal import CLinux
internal import Glibc

/// How much room a file system has, and whether it can be written to.
package struct FileSystem: Sendable {
    /// The bytes of memory or disk that an unprivileged process can use; nil without a limit.
    package let freeByteCount: Int?
    package let byteCount: Int
    /// How many files can be created; nil without a limit.
    package let freeFileCount: Int?
    package let fileCount: Int
    package let isReadOnly: Bool
    package let isTmpfs: Bool

    /// The file system that a path is in.
    package init(of path: String) throws(SystemError) {
        var room = statvfs()
        try systemCall("statvfs", on: path) { negatedErrno(unsafe statvfs(path, &room)) }
        var kind = statfs()
        try systemCall("statfs", on: path) { negatedErrno(unsafe statfs(path, &kind)) }
        // A tmpfs without a limit has no blocks.
        byteCount = Int(room.f_blocks) * Int(room.f_frsize)
        freeByteCount = room.f_blocks == 0 ? nil : Int(room.f_bavail) * Int(room.f_frsize)
        fileCount = Int(room.f_files)
        freeFileCount = room.f_files == 0 ? nil : Int(room.f_favail)
        isReadOnly = room.f_flag & UInt(ST_RDONLY) != 0
        isTmpfs = kind.f_type == TMPFS_MAGIC
    }
}

/// Rights to a file.
package enum FileRight: Sendable {
    case search, read, write

    /// Whether the effective user of this process has the right to the file at a path, and its mount allows it.
    package func isGranted(_ path: String) -> Bool {
        let right =
            switch self {
            case .search: X_OK
            case .read: R_OK
            case .write: W_OK
            }
        return unsafe faccessat(AT_FDCWD, path, right, AT_EACCESS) == 0
    }
}

extension Directory {
    /// A path without symbolic links; nil if it leads nowhere.
    package static func resolved(_ path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }
}
