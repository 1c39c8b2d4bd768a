package import SharedMemory

/// Why text cannot be kept on disk, or kept text cannot be used.
package enum KeepError: Error, Hashable, Sendable, CustomStringConvertible {
    case directory(path: String, reason: String)
    case inUse(name: String, path: String)
    case directoryInUse(path: String)
    case tooMany(count: Int, limit: Int, path: String)
    case unreadable(name: String, path: String, reason: String)
    case tooLong(name: String, byteCount: Int, capacity: Int)
    case notKept(name: String, version: Version, found: [Version])
    case segment(name: String, SegmentError)

    /// What is wrong and what to do next.
    package var description: String {
        switch self {
        case .directory(let path, let reason):
            "Text cannot be kept in \(path): \(reason). Name a directory on a disk that this user can write to."
        case .inUse(let name, let path):
            "Another server keeps the segment '\(name)' in \(path): stop it, or keep the text in another directory."
        case .directoryInUse(let path):
            "Another server keeps text in \(path), and a server that keeps a whole directory needs it to itself: "
                + "stop the other, or keep the text in another directory."
        case .tooMany(let count, let limit, let path):
            "There are \(count) segments, counting those kept in \(path), and the limit is \(limit): raise the "
                + "limit, or move the files of some of them away."
        case .unreadable(let name, let path, let reason):
            "The kept text of '\(name)' in \(path) cannot be read: \(reason). Make its files readable, or move the "
                + "unreadable ones away: the server then uses the newest that remains."
        case .tooLong(let name, let byteCount, let capacity):
            "The kept text of '\(name)' has \(byteCount) bytes, and the segment's capacity is \(capacity): use a larger "
                + "capacity. If the segment exists, unlink it first."
        case .notKept(let name, let version, let found):
            "There is no kept version \(version) of '\(name)' (\(Self.list(found))): name one of those that are kept."
        case .segment(let name, let error): "The kept text of '\(name)' cannot be set. \(error)"
        }
    }

    private static func list(_ versions: [Version]) -> String {
        versions.isEmpty ? "none is kept" : "kept: " + versions.suffix(10).map(\.description).joined(separator: ", ")
    }
}
