internal import CLinux
internal import Glibc

/// Names in the file system.
package enum Directory {
    /// The names in a directory, in no order.
    package static func names(in path: String) throws(SystemError) -> [String] {
        var names: [String] = []
        try forEachName(in: path) { name in
            names.append(name)
            return true
        }
        return names
    }

    /// Shows `body` the names in a directory, in no order, until it returns false.
    package static func forEachName(in path: String, _ body: (String) -> Bool) throws(SystemError) {
        guard let stream = unsafe opendir(path) else { throw SystemError(call: "opendir \(path)", code: errno) }
        defer { unsafe closedir(stream) }
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if !body(name) { return }
        }
    }

    /// Sets the permissions of the file of a Unix socket, and of no other file.
    package static func setMode(_ mode: UInt32, ofSocket path: String) throws(SystemError) {
        // O_PATH, which Swift does not see; the file itself is changed, wherever its name leads by then.
        let descriptor = try systemCall("open", on: path) {
            negatedErrno(unsafe open(path, 0o10_000_000 | O_NOFOLLOW | O_CLOEXEC))
        }
        defer { close(descriptor) }
        var status = stat()
        try systemCall("fstat", on: path) { negatedErrno(unsafe fstat(descriptor, &status)) }
        guard FileStatus(status).kind == .socket else { throw SystemError("chmod", on: path, code: EINVAL) }
        try systemCall("chmod", on: path) { negatedErrno(unsafe chmod("/proc/self/fd/\(descriptor)", mode)) }
    }

    package static func unlink(_ path: String) throws(SystemError) {
        try systemCall("unlink", on: path) { negatedErrno(unsafe Glibc.unlink(path)) }
    }

    /// Renames a file, unless the new name exists.
    package static func rename(_ path: String, toNew new: String) throws(SystemError) {
        try systemCall("renameat2", on: new) { unsafe clinux_rename_new(path, new) }
    }

    /// Renames a file, in place of the file that has the new name, if there is one.
    package static func rename(_ path: String, over other: String) throws(SystemError) {
        try systemCall("rename", on: other) { negatedErrno(unsafe Glibc.rename(path, other)) }
    }

    /// What a symbolic link contains.
    package static func target(ofLink path: String) throws(SystemError) -> String {
        var characters = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try systemCall("readlink", on: path) {
            negatedErrno(unsafe readlink(path, &characters, characters.count))
        }
        return String(decoding: characters[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
