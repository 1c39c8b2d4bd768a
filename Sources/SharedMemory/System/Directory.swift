import CLinux
internal import Glibc

/// Names in the file system.
enum Directory {
    /// The names in a directory, in no order.
    static func names(in path: String) throws(SegmentError) -> [String] {
        guard let stream = unsafe opendir(path) else { throw .system(call: "opendir \(path)", code: errno) }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            names.append(name)
        }
        return names
    }

    static func unlink(_ path: String) throws(SegmentError) {
        try systemCall("unlink", on: path) { negatedErrno(unsafe Glibc.unlink(path)) }
    }

    /// Renames a file to a name that nothing has yet.
    static func rename(_ path: String, toNew new: String) throws(SegmentError) {
        try systemCall("renameat2", on: new) { unsafe clinux_rename_new(path, new) }
    }
}
