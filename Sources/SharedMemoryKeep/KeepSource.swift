import LinuxSystem
import SharedMemory

/// Where the versions of a kept segment come from; for the keeper's thread alone.
protocol KeepSource: AnyObject {
    /// The current version.
    ///
    /// - Throws: if the name leads to no segment.
    func look() throws(SegmentError) -> Version

    /// Has the version after this one announced.
    ///
    /// - Returns: false if it is there already.
    func announce(after version: Version, _ call: @escaping @Sendable () -> Void) throws(SegmentError) -> Bool

    /// Ends what ``announce(after:_:)`` began.
    func stopAnnouncing()

    /// The segment, to write its text from; nil if there is none any more, or if it is not to be kept.
    func open(_ storage: DiskStorage) throws(KeepFailure) -> Segment?

    /// When to look again while there is no segment, in coarse milliseconds.
    var nextLook: Int { get }
}

/// A segment that is kept because it was named: the source is attached to it all the time.
final class FollowedSource: KeepSource {
    private var lock: KeepLock
    /// Never creates the segment: only the server and its clients do.
    private let follower: SegmentFollower
    private var segment: Segment?
    /// Announces the next version.
    private var callback: CallbackID?

    init(_ name: String, _ lock: consuming KeepLock, _ options: AttachmentOptions) throws(KeepError) {
        self.lock = lock
        do throws(SegmentError) {
            follower = try SegmentFollower(name, options.forKeeping)
        } catch {
            throw .segment(name: name, error)
        }
    }

    func look() throws(SegmentError) -> Version {
        segment = nil
        let segment = try follower.attach()
        self.segment = segment
        return try segment.version
    }

    func announce(after version: Version, _ call: @escaping @Sendable () -> Void) throws(SegmentError) -> Bool {
        callback = try segment?.onReplacement(of: version, call)
        return callback != nil
    }

    func stopAnnouncing() {
        if let callback { segment?.cancel(callback) }
        callback = nil
    }

    func open(_ storage: DiskStorage) throws(KeepFailure) -> Segment? {
        try lock.hold(storage)
        return segment
    }

    /// Nothing announces that a name leads to a segment again.
    var nextLook: Int { Clock.coarseMilliseconds + 250 }
}

extension AttachmentOptions {
    /// For a segment that exists, with the capacity and the permissions that it has.
    var forKeeping: AttachmentOptions {
        var options = self
        (options.creates, options.capacity, options.mode, options.group) = (false, nil, nil, nil)
        return options
    }
}
