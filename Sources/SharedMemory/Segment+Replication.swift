import LinuxSystem
import Synchronization

/// The replication of a segment's text from another server or from etcd.
///
/// Only the server that replicates the segment sets its text. This remains so while no server runs, because the next one would
/// overwrite what another process had set. ``Segment/release(_:directory:trustedOwners:)`` ends it.
public struct Replication: Hashable, Sendable {
    /// Where the server accepts text from this host; nil if no TCP port is known that `localhost` reaches.
    public let url: String?
    /// Whether a server replicates the text now.
    public let isUnderWay: Bool
}

/// The mark by which a server reserves the text of a segment for itself.
package struct ReplicationMark: RawRepresentable, Hashable, Sendable {
    /// The port, if any, and two flags; never 0.
    package let rawValue: UInt32

    private static let isReplica: UInt32 = 1 << 16
    private static let isEncrypted: UInt32 = 1 << 17

    /// - Returns: nil for 0.
    package init?(rawValue: UInt32) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }

    /// - Parameter port: the server's TCP port that `localhost` reaches; nil if there is none.
    package init(port: UInt16?, isEncrypted: Bool = false) {
        rawValue = Self.isReplica | (isEncrypted ? Self.isEncrypted : 0) | UInt32(port ?? 0)
    }

    /// Where the server accepts text for a segment; nil if the mark has no port.
    func url(of segment: String) -> String? {
        let port = UInt16(truncatingIfNeeded: rawValue)
        guard port != 0 else { return nil }
        return "\(rawValue & Self.isEncrypted != 0 ? "https" : "http")://localhost:\(port)/shared/\(segment)"
    }
}

extension Segment {
    /// Marks the segment: from now on, only a server that replicates it sets its text.
    package func mark(_ mark: ReplicationMark) throws(SegmentError) {
        defer { extendLifetime(self) }
        // Before any replicated text is published.
        try reference().membership.view.state.replication.store(mark.rawValue, ordering: .relaxed)
    }

    /// Sets text that was replicated from elsewhere.
    package func set(replica bytes: Span<UInt8>) throws(SegmentError) -> Version {
        try unsafe bytes.withUnsafeBytes { bytes throws(SegmentError) in
            try publish(unsafe Draft(bytes: bytes, isUTF8: false), if: nil, isReplica: true)
        }
    }

    /// Releases a replicated segment: from now on, any process can set its text.
    ///
    /// The text stays. If a server replicates the segment again later, it overwrites what was set meanwhile.
    ///
    /// - Returns: false if the segment was not replicated.
    /// - Throws: ``SegmentError/stillReplicated(name:)``; ``SegmentError/notFound(name:directory:found:)``,
    ///   ``SegmentError/leftover(name:directory:)``, ``SegmentError/untrustedOwner(path:owner:)``,
    ///   ``SegmentError/notASegment(path:reason:)``, ``SegmentError/otherLayout(path:version:ownVersion:)``,
    ///   ``SegmentError/otherKernel(path:)``, ``SegmentError/system(call:code:)``.
    @discardableResult
    public static func release(
        _ name: String, directory: String? = nil, trustedOwners: Set<TrustedOwner> = []
    ) throws(SegmentError) -> Bool {
        let file = try SegmentFile(named: name, in: directory)
        let options = AttachmentOptions(creates: false, trustedOwners: trustedOwners)
        let deadline = Clock.coarseMilliseconds + 100
        while true {
            guard let open = try OpenFile.open(file, options) else { throw file.notFound }
            guard try open.isAlive() else { throw try open.absence() }
            if try fromSystem(open.descriptor.tryLockExclusive(byte: Layout.followerLock)) {
                let mapping = try SegmentMapping(open.descriptor, open.geometry, writable: true)
                defer { extendLifetime(mapping) }
                // No server can begin to replicate the text before the descriptor is closed.
                defer { extendLifetime(open) }
                return mapping.view.state.replication.exchange(0, ordering: .relaxed) != 0
            }
            // Another process may be releasing it.
            guard Clock.coarseMilliseconds < deadline else { throw .stillReplicated(name: name) }
            BackgroundThread.pause()
        }
    }
}

extension Attachment {
    var replicated: SegmentError {
        let name = open.file.name.description
        return .replicated(name: name, url: replicationMark?.url(of: name))
    }

    var replication: Replication? {
        get throws(SegmentError) {
            guard let mark = replicationMark else { return nil }
            return Replication(
                url: mark.url(of: open.file.name.description),
                isUnderWay: try fromSystem(open.descriptor.lockElsewhere(byte: Layout.followerLock)) != .unlocked)
        }
    }

    private var replicationMark: ReplicationMark? {
        ReplicationMark(rawValue: membership.view.state.replication.load(ordering: .relaxed))
    }
}
