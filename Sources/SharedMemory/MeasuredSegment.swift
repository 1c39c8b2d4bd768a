import LinuxSystem
import Synchronization

/// What monitoring needs to know about a segment.
package struct MeasuredSegment: Sendable {
    package let name: String
    package let version: Version
    package let byteCount: Int
    package let capacity: Int
    package let publicationTime: Timestamp
    /// Nil where `/proc/locks` cannot be read.
    package let attachmentCount: Int?
    /// The number of pins in use, those of dead processes included until they are found.
    package let pinCount: Int
    /// Nil if the file has gone.
    package let memoryByteCount: Int?
}

/// The locks of all attachments on this host, as they were when this was made.
package struct AttachmentLocks: Sendable {
    fileprivate let locks = SharedLocks()

    package init() {}
}

extension SegmentGlance {
    package func measure(_ locks: AttachmentLocks) throws(SegmentError) -> MeasuredSegment {
        let info = try publication().info
        return MeasuredSegment(
            name: name, version: info.version, byteCount: info.byteCount, capacity: capacity,
            publicationTime: info.publicationTime,
            attachmentCount: attachmentCount(locks),
            pinCount: pinCount, memoryByteCount: (try? FileStatus.ofPath(path))?.allocatedByteCount)
    }

    /// Nil where `/proc/locks` cannot be read.
    package func attachmentCount(_ locks: AttachmentLocks) -> Int? {
        locks.locks.count(on: identity, byte: Layout.lifetimeLock)
    }

    private var pinCount: Int {
        let view = membership.view
        defer { extendLifetime(self) }
        return (0..<view.mark(of: .pins)).count { view.pins[$0].word.load(ordering: .relaxed) != 0 }
    }
}
