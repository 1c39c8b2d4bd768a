import LinuxSystem
import SharedMemory
import Synchronization

/// Keeps the adopted text in the segment: sets it, and sets it again after another process has set something else.
///
/// Of several servers that replicate into one segment, only the one with a lock on its file does so: otherwise, each would undo
/// what the others set.
final class ReplicaPublisher: Sendable {
    private let follower: SegmentFollower
    private let mark: ReplicationMark
    private let state = Mutex(State())

    private struct State {
        var text: [UInt8]?
        /// The segment whose lock this server holds; nil while another server holds it.
        var owned: OwnedSegment?
        /// The segment's version with this text; nil if the text has yet to be set.
        var published: Version?
        /// Whether this server has set the text of the owned segment, or found it there.
        var hasPublished = false
    }

    /// A segment, and the lock on its file.
    private final class OwnedSegment: Sendable {
        let segment: Segment
        /// Whether the segment was replicated before.
        let wasMarked: Bool
        private let descriptor: Mutex<FileDescriptor>

        /// - Returns: nil if another server has the lock.
        init?(_ segment: Segment, _ mark: ReplicationMark) throws {
            let descriptor = try FileDescriptor.open(segment.path, .readWrite)
            guard try descriptor.tryLockExclusive(byte: Segment.followerLock) else { return nil }
            // Before the text: no local text may replace replicated text. The mark stays after the server has stopped.
            wasMarked = try segment.mark(mark) != nil
            self.segment = segment
            self.descriptor = Mutex(descriptor)
        }
    }

    init(_ follower: SegmentFollower, _ mark: ReplicationMark) { (self.follower, self.mark) = (follower, mark) }

    /// Whether the segment has text, perhaps from before a restart.
    var hasText: Bool { (try? follower.attach().publicationInfo().byteCount).map { $0 > 0 } ?? false }

    /// Whether this server sets the text, and not another one on the host.
    var isOwner: Bool { state.withLock { $0.owned != nil } }

    /// Marks the segment, even before the source's text is known: a local set would be overwritten soon.
    func start() { state.withLock { own(&$0) } }

    /// Sets the text.
    ///
    /// If the tmpfs has no memory, ``restore()`` sets it later.
    ///
    /// - Returns: whether the text replaces another process's, from before the segment was replicated.
    /// - Throws: if the text can never be the segment's.
    func checkAndPublish(_ text: [UInt8]) throws(SegmentError) -> Bool {
        try Segment.check(utf8: text.span)
        if let capacity = try? follower.attach().capacity, text.count > capacity {
            throw .tooLong(byteCount: text.count, capacity: capacity)
        }
        return state.withLock { state in
            (state.text, state.published) = (text, nil)
            return publish(&state)
        }
    }

    /// Sets the text again if the segment has another one.
    ///
    /// - Returns: whether another process had set that.
    func restore() -> Bool {
        state.withLock { state in
            guard let segment = try? follower.attach() else { return false }
            let isOwned = state.owned?.segment === segment
            if isOwned, let published = state.published, (try? segment.version) == published { return false }
            let isForeign = isOwned && state.published != nil
            return publish(&state) || isForeign
        }
    }

    /// Leaves the segment, with its text, to another server.
    ///
    /// The mark stays, unless there was none before, and the source was never reached.
    func stop() {
        state.withLock { state in
            if let owned = state.owned, !owned.wasMarked, !state.hasPublished { _ = try? owned.segment.mark(nil) }
            state = State()
        }
    }

    /// Makes this server the one that sets the segment's text, unless another server is.
    private func own(_ state: inout State) {
        guard let segment = try? follower.attach(), state.owned?.segment !== segment else { return }
        // First: the new segment may have the same file.
        state.owned = nil
        state.owned = try? OwnedSegment(segment, mark)
        state.hasPublished = false
    }

    /// - Returns: whether the text replaces another process's, from before the segment was replicated.
    @discardableResult
    private func publish(_ state: inout State) -> Bool {
        own(&state)
        guard let text = state.text, let owned = state.owned else {
            state.published = nil
            return false
        }
        do throws(SegmentError) {
            // After a restart, the segment often has the text already.
            if !state.hasPublished, let version = try owned.segment.versionOfText(equalTo: text) {
                (state.published, state.hasPublished) = (version, true)
                return false
            }
            let isFirst = !state.hasPublished && !owned.wasMarked
            let version = try owned.segment.set(replica: text.span)
            (state.published, state.hasPublished) = (version, true)
            return isFirst && version.number > 1
        } catch {
            state.published = nil
            return false
        }
    }
}

extension Segment {
    /// The version of the current text, if that has these bytes.
    fileprivate func versionOfText(equalTo bytes: [UInt8]) throws(SegmentError) -> Version? {
        try withPublication { text, version, _ in
            guard version.number > 0, text.count == bytes.count else { return nil }
            for index in text.indices where text[index] != bytes[index] { return nil }
            return version
        }
    }
}
