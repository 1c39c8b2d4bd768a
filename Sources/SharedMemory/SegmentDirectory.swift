import LinuxSystem

/// A directory of segments, for a program that serves whatever is in it.
package struct SegmentDirectory: Sendable {
    /// An absolute path.
    package let path: String

    /// - Parameter path: nil for `SHAREDMEM_DIRECTORY` or `/dev/shm`.
    package init(_ path: String?) throws(SegmentError) {
        self.path = try SegmentFile(named: "directory", in: path).directory
    }

    /// The names of all segment files, sorted, whether or not they can be used.
    package func names() throws(SegmentError) -> [String] { try SegmentFile(named: "directory", in: path).names() }

    /// The name of the segment in the file of this name; nil if it is no segment's.
    package static func segmentName(ofFile fileName: String) -> String? { SegmentFile.name(ofFile: fileName) }

    /// Whether there is a file for a segment of this name.
    package func contains(_ name: String) -> Bool {
        guard let file = try? SegmentFile(named: name, in: path) else { return false }
        return (try? FileStatus.ofPath(file.path)) != nil
    }
}
