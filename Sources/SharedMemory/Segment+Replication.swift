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
    ///
    /// - Parameter mark: nil to let any process set it. The caller has the lock.
    /// - Returns: the mark that it had; nil for none.
    @discardableResult
    package func mark(_ mark: ReplicationMark?) throws(SegmentError) -> ReplicationMark? {
        defer { extendLifetime(self) }
        // Before any replicated text is published.
        let state = try reference().membership.view.state.replication
            .exchange(mark?.rawValue ?? 0, ordering: .relaxed)
        return ReplicationMark(rawValue: state)
    }

    /// Why a process cannot set the text; nil if the segment is not replicated.
    package var replicated: SegmentError? {
        get throws(SegmentError) {
            let attachment = try attachment
            return attachment.isReplicated ? attachment.replicated : nil
        }
    }

    /// Sets text that a server replicates.
    package func set(replica bytes: Span<UInt8>) throws(SegmentError) -> Version {
        try unsafe bytes.withUnsafeBytes { bytes throws(SegmentError) in
            try publish(unsafe Draft(bytes: bytes, isUTF8: false), if: nil, isReplica: true)
        }
    }

    /// Releases a replicated segment: from now on, any process can set its text.
    ///
    /// The text stays. If a server replicates the segment again later, it overwrites what was set meanwhile. This takes half a
    /// second, to see whether another server has been waiting.
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
            let mapping = try SegmentMapping(open.descriptor, open.geometry, writable: true)
            defer { extendLifetime(mapping) }
            if try fromSystem(open.descriptor.tryLockExclusive(byte: Layout.followerLock)) {
                let wasReplicated = mapping.view.state.replication.exchange(0, ordering: .relaxed) != 0
                guard wasReplicated else { return false }
                // No server could begin to replicate the segment before. One that waited does so at its next look.
                try fromSystem(open.descriptor.unlock(byte: Layout.followerLock))
                BackgroundThread.pause(milliseconds: 2 * waitingServerMilliseconds)
                guard mapping.view.state.replication.load(ordering: .relaxed) == 0 else {
                    throw .stillReplicated(name: name)
                }
                return true
            }
            // Another process may be releasing it.
            guard Clock.coarseMilliseconds < deadline else { throw .stillReplicated(name: name) }
            BackgroundThread.pause()
        }
    }

    /// A server that waits for another one to end looks at the lock this often.
    package static let waitingServerMilliseconds = 250
}

extension Attachment {
    @inline(__always)
    var isReplicated: Bool { membership.view.state.replication.load(ordering: .relaxed) != 0 }

    /// Why the text is not set; only a server that runs has a URL.
    var replicated: SegmentError {
        let replication = try? replication
        return .replicated(
            name: open.file.name.description, directory: open.file.directory,
            url: replication?.isUnderWay == true ? replication?.url : nil)
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
