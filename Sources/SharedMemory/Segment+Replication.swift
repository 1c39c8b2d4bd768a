import LinuxSystem
import Synchronization

/// How a segment's text is replicated from elsewhere.
///
/// Only a server that replicates it sets the text. The segment stays a replica when no server runs, until it is released: the
/// next server would replace what another process has set.
public struct Replication: Hashable, Sendable {
    /// Where the server accepts text from this host; nil if it does not listen there, as far as is known.
    public let url: String?
    /// Whether a server replicates the text now.
    public let isUnderWay: Bool
}

/// What a server leaves in a segment whose text it replicates.
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

    /// - Parameter port: where the server listens on the host itself; nil if it does not.
    package init(port: UInt16?, isEncrypted: Bool = false) {
        rawValue = Self.isReplica | (isEncrypted ? Self.isEncrypted : 0) | UInt32(port ?? 0)
    }

    /// Where the server accepts text for a segment.
    func url(of segment: String) -> String? {
        let port = UInt16(truncatingIfNeeded: rawValue)
        guard port != 0 else { return nil }
        return "\(rawValue & Self.isEncrypted != 0 ? "https" : "http")://localhost:\(port)/shared/\(segment)"
    }
}

extension Segment {
    /// Has only servers that replicate the text set it, from now on.
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

    /// Lets any process set the text of a segment again that a server has replicated from elsewhere.
    ///
    /// The text stays. If a server is started to replicate the text again, it replaces what was set meanwhile.
    ///
    /// - Returns: false if the segment was no replica.
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
