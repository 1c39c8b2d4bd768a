import LinuxSystem

extension Segment {
    // MARK: Waiting in a thread

    /// Sleeps until the current version differs from `version`, and returns the current version.
    ///
    /// ```swift
    /// var version = try segment.version
    /// while let next = try segment.wait(after: version, timeout: .seconds(60)) {
    ///     print(try segment.get())
    ///     version = next
    /// }
    /// ```
    ///
    /// A process that sets the text wakes all waiting threads within microseconds. If it is killed or stopped just before
    /// it can do so, they wake within a second. If the segment is attached read-only and only its owner may read it, this
    /// checks the version every 10 ms instead. It blocks the calling thread: in a task, use ``changes``.
    ///
    /// - Parameters:
    ///   - version: the version that the caller has.
    ///   - timeout: zero only checks the version; nil waits without a limit.
    /// - Returns: nil if the time is up.
    /// - Throws: ``SegmentError/unlinked(name:)`` within a second after the segment was unlinked, as no other version
    ///   will come.
    public func wait(after version: Version, timeout: Duration? = nil) throws(SegmentError) -> Version? {
        let deadline = timeout.map(Clock.monotonicNanoseconds(after:))
        while true {
            switch try wait(after: version, until: deadline) {
            case .replaced(let version): return version
            case .timeIsUp: return nil
            case .interrupted: continue
            }
        }
    }

    /// Waits as ``wait(after:timeout:)`` does, but also ends when this thread has handled a signal; for other interfaces.
    package func waitInterruptibly(after version: Version, timeout: Duration?) throws(SegmentError) -> WaitOutcome {
        try wait(after: version, until: timeout.map(Clock.monotonicNanoseconds(after:)))
    }

    func wait(after version: Version, until deadline: Int?) throws(SegmentError) -> WaitOutcome {
        defer { extendLifetime(self) }
        return try attachment.notifier.wait(after: version, until: deadline)
    }

    // MARK: Waiting in a task

    /// The current text, then each later one; if several are set while the task is busy, the newest.
    ///
    /// ```swift
    /// for try await snapshot in segment.changes { print(snapshot.text) }
    /// ```
    ///
    /// The sequence ends as soon as the task is cancelled. Any number of tasks may follow a segment: they share one thread
    /// of this process, which exists only while one of them waits. They wake up as fast as ``wait(after:timeout:)`` does.
    ///
    /// If the segment is unlinked, the sequence throws ``SegmentError/unlinked(name:)`` after the last text.
    public var changes: Changes { Changes(segment: self) }

    /// The texts of a segment, as they are set; see ``Segment/changes``.
    public struct Changes: AsyncSequence, Sendable {
        public typealias Element = Snapshot
        public typealias Failure = SegmentError

        fileprivate let segment: Segment

        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(segment: segment) }

        public struct AsyncIterator: AsyncIteratorProtocol {
            fileprivate let segment: Segment
            /// The version that the task has.
            fileprivate var version: Version?

            public mutating func next() async throws(SegmentError) -> Snapshot? { try await next(isolation: nil) }

            public mutating func next(isolation actor: isolated (any Actor)?) async throws(SegmentError) -> Snapshot? {
                while !Task.isCancelled {
                    if let snapshot = try newer() { return snapshot }
                    if let version { try await segment.replacement(of: version) }
                }
                return nil
            }

            /// The current text; nil if the task has it, or if writers overtook the task again and again.
            private mutating func newer() throws(SegmentError) -> Snapshot? {
                if let version, try segment.version == version { return nil }
                let snapshot = try segment.snapshotUnlessBusy()
                version = snapshot?.version ?? version
                return snapshot
            }
        }
    }

    /// Waits until the current version differs from `version`, or the task is cancelled.
    ///
    /// - Throws: ``SegmentError/unlinked(name:)`` if no other version will come.
    private func replacement(of version: Version) async throws(SegmentError) {
        let notifier = try attachment.notifier
        guard try notifier.isCurrent(version) else { return }
        let (replaced, call) = AsyncStream.makeStream(of: Void.self)
        guard let id = try notifier.onReplacement(of: version, { call.finish() }) else { return }
        // Ends when the stream is finished or the task is cancelled.
        for await _ in replaced {}
        notifier.cancel(id)
        extendLifetime(self)
    }

    /// Calls `call` once, when the current version differs from `version` or the segment is unlinked; for the HTTP
    /// interface.
    ///
    /// - Parameter call: runs in a thread of this library; other callbacks wait until it returns.
    /// - Returns: nil if the version differs already; then `call` is never called.
    package func onReplacement(
        of version: Version, _ call: @escaping @Sendable () -> Void
    ) throws(SegmentError) -> CallbackID? {
        defer { extendLifetime(self) }
        return try attachment.notifier.onReplacement(of: version, call)
    }

    /// Calls `call` once, when the current version differs from `version`, without waking up in between.
    ///
    /// If a writer is killed before it wakes anyone, its change is missed until the next one. A log can accept that.
    ///
    /// - Returns: nil if the version differs already; then `call` is never called.
    /// - Throws: ``SegmentError/readOnly(name:)`` for an attachment that no writer can wake.
    package func onReplacementPatiently(
        of version: Version, _ call: @escaping @Sendable () -> Void
    ) throws(SegmentError) -> CallbackID? {
        defer { extendLifetime(self) }
        let attachment = try attachment
        guard attachment.membership.isWritable else { throw .readOnly(name: name) }
        return try attachment.notifier.onReplacement(of: version, isPatient: true, call)
    }

    /// Cancels a callback that has not begun; for the HTTP interface.
    package func cancel(_ id: CallbackID) {
        _ = try? attachment.notifier.cancel(id)
        extendLifetime(self)
    }
}
