import LinuxSystem
import SharedMemory
import Synchronization

/// Keeps the adopted text in the segment: sets it, and sets it again after another process has set something else.
///
/// Of several servers that replicate into one segment, only the one with a lock on its file does so: otherwise, each would undo
/// what the others set.
final class ReplicaPublisher: Sendable {
    private let follower: SegmentFollower
    private let state = Mutex(State())

    private struct State {
        var text: [UInt8]?
        /// The segment whose lock this server holds; nil while another server holds it.
        var owned: OwnedSegment?
        /// The segment's version with this text; nil if the text has yet to be set.
        var published: Version?
    }

    /// A segment, and the lock on its file.
    private final class OwnedSegment: Sendable {
        let segment: Segment
        private let descriptor: Mutex<FileDescriptor>

        /// - Returns: nil if another server has the lock.
        init?(_ segment: Segment) throws(SystemError) {
            let descriptor = try FileDescriptor.open(segment.path, .readWrite)
            guard try descriptor.tryLockExclusive(byte: Segment.followerLock) else { return nil }
            self.segment = segment
            self.descriptor = Mutex(descriptor)
        }
    }

    init(_ follower: SegmentFollower) { self.follower = follower }

    /// Whether the segment has text, perhaps from before a restart.
    var hasText: Bool { (try? follower.attach().publicationInfo().byteCount).map { $0 > 0 } ?? false }

    /// Whether this server sets the text, and not another one on the host.
    var isOwner: Bool { state.withLock { $0.owned != nil } }

    /// Sets the text.
    ///
    /// If the tmpfs has no memory, ``restore()`` sets it later.
    ///
    /// - Throws: if the text can never be the segment's.
    func checkAndPublish(_ text: [UInt8]) throws(SegmentError) {
        try Segment.check(utf8: text.span)
        if let capacity = try? follower.attach().capacity, text.count > capacity {
            throw .tooLong(byteCount: text.count, capacity: capacity)
        }
        state.withLock { state in
            (state.text, state.published) = (text, nil)
            publish(&state)
        }
    }

    /// Sets the text again if the segment has another one.
    ///
    /// - Returns: whether another process had set that.
    func restore() -> Bool {
        state.withLock { state in
            guard state.text != nil, let segment = try? follower.attach() else { return false }
            if let published = state.published, state.owned?.segment === segment, (try? segment.version) == published {
                return false
            }
            let isForeign = state.published != nil && state.owned?.segment === segment
            publish(&state)
            return isForeign
        }
    }

    /// Leaves the segment, with its text, to another server.
    func stop() { state.withLock { $0 = State() } }

    private func publish(_ state: inout State) {
        guard let text = state.text, let segment = try? follower.attach() else { return }
        var isNew = false
        if state.owned?.segment !== segment {
            // First: the new segment may have the same file.
            state.owned = nil
            state.owned = try? OwnedSegment(segment)
            isNew = true
        }
        guard state.owned != nil else { return state.published = nil }
        do throws(SegmentError) {
            // After a restart, the segment often has the text already.
            if isNew, let version = try segment.versionOfText(equalTo: text) {
                state.published = version
            } else {
                state.published = try segment.set(utf8: text.span)
            }
        } catch {
            state.published = nil
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
