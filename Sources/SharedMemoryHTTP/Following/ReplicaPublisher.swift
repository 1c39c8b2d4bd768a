import LinuxSystem
import SharedMemory
import Synchronization

/// Keeps the adopted text in the segment: sets it there, and again if another process has set another one.
///
/// Of several servers that follow for the same segment, one does: they would take each other's texts for foreign ones.
final class ReplicaPublisher: Sendable {
    private let follower: SegmentFollower
    private let lockPath: String
    private let state = Mutex(State())

    private struct State {
        /// Nil while another server has it.
        var lock: FileLock?
        var text: [UInt8]?
        /// The segment's version with this text; nil if the text has yet to be set.
        var published: Version?
        /// The version of the segment when this server came, which may be its own of before a restart.
        var isFirst = true
    }

    private final class FileLock: Sendable {
        private let descriptor: Mutex<FileDescriptor>
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = Mutex(descriptor) }
    }

    init(_ follower: SegmentFollower, directory: String) {
        self.follower = follower
        lockPath = directory + "/.\(follower.name).follower"
    }

    /// Whether the segment has text, of before a restart perhaps.
    var hasText: Bool { (try? follower.attach().publicationInfo().byteCount).map { $0 > 0 } ?? false }

    /// Sets the text.
    ///
    /// Without memory, the text is set later, by ``restore()``.
    ///
    /// - Throws: if the text cannot be the segment's, whatever happens.
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

    /// Sets the text again if it is not the segment's.
    ///
    /// - Returns: whether another process had set another one.
    func restore() -> Bool {
        state.withLock { state in
            guard state.text != nil, let segment = try? follower.attach() else { return false }
            let version = try? segment.version
            guard version != state.published || state.published == nil else { return false }
            let isForeign = state.published.map { $0.instance == version?.instance } ?? false
            publish(&state)
            return isForeign && state.lock != nil
        }
    }

    private func publish(_ state: inout State) {
        if state.lock == nil { state.lock = takeLock() }
        guard state.lock != nil, let text = state.text, let segment = try? follower.attach() else { return }
        do throws(SegmentError) {
            // At the start, the segment often has the text already.
            if state.isFirst, let version = try segment.versionOfText(equalTo: text) {
                state.published = version
            } else {
                state.published = try segment.set(utf8: text.span)
            }
            state.isFirst = false
        } catch {
            state.published = nil
        }
    }

    private func takeLock() -> FileLock? {
        do throws(SystemError) {
            let descriptor: FileDescriptor
            do throws(SystemError) {
                descriptor = try FileDescriptor.createNew(lockPath)
            } catch let error where error.isForExistingFile {
                descriptor = try FileDescriptor.open(lockPath, .readWrite)
            }
            return try descriptor.tryLockExclusive(byte: 0) ? FileLock(descriptor) : nil
        } catch {
            return nil
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
