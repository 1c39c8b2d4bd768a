internal import Glibc
import LinuxSystem
import Synchronization

/// Follows a segment's name: attaches again when the segment is unlinked, created again, or replaced by another one.
///
/// A ``Segment`` stays with the file it attached to. A program that runs for longer than its segments follows the name:
///
/// ```swift
/// let follower = try SegmentFollower("shared")
/// var version: Version?
/// while let snapshot = try follower.next(after: version, waitsForSegment: true, timeout: nil) {
///     print(snapshot.text)
///     version = snapshot.version
/// }
/// ```
///
/// Any thread may use a follower at any time, and no thread waits for another one that is attaching. A forked child needs
/// a follower of its own.
public final class SegmentFollower: Sendable {
    private let file: SegmentFile
    private let options: AttachmentOptions
    private let fallsBackToReadOnly: Bool
    private let onAttachmentChange: @Sendable (Result<Segment, SegmentError>) -> Void
    private let state = Lock(State())
    /// When ``attachIfDue()`` looks at the name next; coarse milliseconds.
    private let nextLook = Atomic(0)

    private static let lookIntervalMilliseconds = 500

    fileprivate struct State: ~Copyable {
        var segment: Segment?
        var hasAttached = false
        /// Why attaching failed last, as reported.
        var failure: SegmentError?
    }

    /// Begins to follow a name, but does not attach yet.
    ///
    /// - Parameters:
    ///   - name: as for ``Segment/attach(_:_:)``.
    ///   - options: the options of each attachment.
    ///   - fallsBackToReadOnly: if true, and attaching with write access fails for want of permission or because the
    ///     segment has as many attachments as it can have, the follower attaches read-only.
    ///   - onAttachmentChange: runs after each attachment but the first. Between two attachments, it also runs once
    ///     whenever attaching begins to fail for another reason than before. It runs in the thread that attached, outside
    ///     of all locks.
    /// - Throws: ``SegmentError/invalidName(_:)``
    public init(
        _ name: String? = nil, _ options: AttachmentOptions = AttachmentOptions(), fallsBackToReadOnly: Bool = false,
        onAttachmentChange: @escaping @Sendable (Result<Segment, SegmentError>) -> Void = { _ in }
    ) throws(SegmentError) {
        file = try SegmentFile(named: name, in: options.directory)
        self.options = options
        self.fallsBackToReadOnly = fallsBackToReadOnly
        self.onAttachmentChange = onAttachmentChange
    }

    public var name: String { file.name.description }

    /// The segment of the last attachment; nil before the first one, and while attaching fails.
    ///
    /// This does not look at the name: it takes one lock, which is never held for longer than that.
    public var segment: Segment? { state.withLock { $0.segment } }

    // MARK: Attaching

    /// Returns the segment that the name leads to now.
    ///
    /// Looks at the name once, and attaches only if it leads to another file than before.
    ///
    /// - Throws: as ``Segment/attach(_:_:)``; ``segment`` is nil then.
    @discardableResult
    public func attach() throws(SegmentError) -> Segment {
        nextLook.store(Clock.coarseMilliseconds + Self.lookIntervalMilliseconds, ordering: .relaxed)
        // Bounded; again only if another thread attached meanwhile, whose segment is then looked at.
        for _ in 0..<100 {
            let known = segment
            if let known, (try? known.isUnlinked) == false { return known }
            let result = Result { () throws(SegmentError) in try attachByName() }
            switch state.withLock({ $0.record(result, inPlaceOf: known) }) {
            case .overtaken: continue
            case .news: onAttachmentChange(result)
            case .noNews: break
            }
            return try result.get()
        }
        throw .busy(doing: "attaching to '\(name)'")
    }

    /// Gives up the attachment; the next use of the follower attaches again.
    package func detach() { state.withLock { $0.segment = nil } }

    /// Does what ``attach()`` does, but throws nothing, and looks at the name only every 500 milliseconds, or when this library
    /// has unlinked the segment.
    ///
    /// In between it takes a few nanoseconds.
    public func attachIfDue() {
        let due = nextLook.load(ordering: .relaxed)
        let now = Clock.coarseMilliseconds
        guard now >= due else {
            if segment?.isRetired == true { _ = try? attach() }
            return
        }
        let (isFirst, _) = nextLook.compareExchange(
            expected: due, desired: now + Self.lookIntervalMilliseconds, ordering: .relaxed)
        if isFirst { _ = try? attach() }
    }

    private func attachByName() throws(SegmentError) -> Segment {
        do throws(SegmentError) {
            return try Segment.attach(name, options)
        } catch {
            guard fallsBackToReadOnly, options.access == .readWrite, error.isForWantOfRights else { throw error }
            var options = options
            options.access = .readOnly
            options.leavesPermissions = true
            return try Segment.attach(name, options)
        }
    }

    // MARK: Waiting

    /// Waits for a version other than `version`, and returns it with its text.
    ///
    /// Blocks the calling thread. Of several versions that come at once, it returns the newest.
    ///
    /// - Parameters:
    ///   - version: the version that the caller has; nil returns the current one at once.
    ///   - waitsForSegment: if true, a segment that does not exist, was unlinked or was never set is waited for; if false,
    ///     the empty text of one that was never set is returned, and the others are errors.
    ///   - timeout: zero does not wait; nil waits without a limit.
    /// - Returns: nil if the time is up.
    /// - Throws: ``SegmentError/notFound(name:directory:found:)``, ``SegmentError/leftover(name:directory:)``,
    ///   ``SegmentError/unlinked(name:)``, and other errors of ``Segment/attach(_:_:)`` and
    ///   ``Segment/wait(after:timeout:)``. The next call attaches again.
    public func next(
        after version: Version?, waitsForSegment: Bool, timeout: Duration?
    ) throws(SegmentError) -> Snapshot? {
        try next(after: version, waitsForSegment, timeout, isInterruptible: false)
    }

    /// For the command line: waits as `next` does, but returns nil early when this thread has handled a signal.
    package func nextInterruptibly(
        after version: Version?, waitsForSegment: Bool, timeout: Duration?
    ) throws(SegmentError) -> Snapshot? {
        try next(after: version, waitsForSegment, timeout, isInterruptible: true)
    }

    private func next(
        after version: Version?, _ waitsForSegment: Bool, _ timeout: Duration?, isInterruptible: Bool
    ) throws(SegmentError) -> Snapshot? {
        let deadline = timeout.map(Clock.monotonicNanoseconds(after:))
        var version = version
        while true {
            var outcome: WaitOutcome?
            do throws(SegmentError) {
                let segment = if let segment { segment } else { try attach() }
                outcome = try wait(in: segment, after: version, until: deadline)
                if case .replaced = outcome {
                    if let snapshot = try segment.snapshotUnlessBusy() {
                        if snapshot.version.number > 0 || !waitsForSegment { return snapshot }
                        version = snapshot.version
                    } else if let deadline, Clock.monotonicNanoseconds >= deadline {
                        return nil
                    }
                }
            } catch {
                guard waitsForSegment, error.mayPass else { throw error }
                if case .unlinked = error { continue }
                outcome = Self.pause(until: deadline)
            }
            if outcome == .timeIsUp || outcome == .interrupted && isInterruptible { return nil }
        }
    }

    private func wait(
        in segment: Segment, after version: Version?, until deadline: Int?
    ) throws(SegmentError) -> WaitOutcome {
        do throws(SegmentError) {
            guard let version else { return .replaced(by: try segment.version) }
            return try segment.wait(after: version, until: deadline)
        } catch {
            // The next use attaches again.
            state.withLock { state in
                if state.segment === segment { state.segment = nil }
            }
            throw error
        }
    }

    /// Sleeps for a tenth of a second at most; returns nil unless something else ended it.
    private static func pause(until deadline: Int?) -> WaitOutcome? {
        let left = deadline.map { ($0 - Clock.monotonicNanoseconds) / 1_000_000 } ?? .max
        guard left > 0 else { return .timeIsUp }
        return BackgroundThread.pause(milliseconds: min(left, 100)) ? nil : .interrupted
    }
}

extension SegmentFollower.State {
    fileprivate enum Record { case news, noNews, overtaken }

    /// Records an attempt to attach, unless another thread has attached since `known` was looked at.
    fileprivate mutating func record(_ result: Result<Segment, SegmentError>, inPlaceOf known: Segment?) -> Record {
        guard segment === known else { return .overtaken }
        switch result {
        case .success(let attached):
            segment = attached
            failure = nil
            defer { hasAttached = true }
            return hasAttached ? .news : .noNews
        case .failure(let error):
            segment = nil
            defer { failure = error }
            return hasAttached && failure != error ? .news : .noNews
        }
    }
}

extension Segment {
    /// The current text; nil if writers overtook the reader again and again.
    func snapshotUnlessBusy() throws(SegmentError) -> Snapshot? {
        do throws(SegmentError) {
            return try snapshot()
        } catch .busy {
            return nil
        }
    }
}

extension SegmentError {
    /// Whether another attempt, later, may succeed.
    fileprivate var mayPass: Bool {
        switch self {
        case .notFound, .leftover, .unlinked, .busy: true
        default: false
        }
    }

    /// Whether the error prevents attaching with write access, but not attaching read-only.
    package var isForWantOfRights: Bool {
        switch self {
        case .leftBehind, .untrustedOwner, .system(_, EACCES), .system(_, EPERM), .system(_, EROFS): true
        default: false
        }
    }
}

extension Segment {
    /// Whether this library has unlinked the segment.
    fileprivate var isRetired: Bool {
        defer { extendLifetime(self) }
        return (try? reference().membership.view.isRetired) == true
    }
}
