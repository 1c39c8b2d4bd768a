import LinuxSystem

// MARK: Waiting in a thread

extension Segment {
    /// Sleeps until the present version is another than `version`, and returns it.
    ///
    /// ```swift
    /// var version = try segment.version
    /// while let next = try segment.wait(after: version, timeout: .seconds(60)) {
    ///     print(try segment.get())
    ///     version = next
    /// }
    /// ```
    ///
    /// Who sets the text wakes all who wait, within microseconds; a second at most if it was killed or stopped just
    /// before that. Attached for reading only, to a segment that only its owner may read, this looks every 10 ms
    /// instead. It blocks the calling thread: in a task, use ``changes``.
    ///
    /// - Parameter timeout: zero only looks; nil is for ever.
    /// - Returns: nil when the time is up.
    /// - Throws: ``SegmentError/unlinked(name:)``, at most a second after it was: nothing more will come here.
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

    /// For the other doors: the same, but it ends when this thread has handled a signal.
    package func waitInterruptibly(after version: Version, timeout: Duration?) throws(SegmentError) -> WaitOutcome {
        try wait(after: version, until: timeout.map(Clock.monotonicNanoseconds(after:)))
    }

    func wait(after version: Version, until deadline: Int?) throws(SegmentError) -> WaitOutcome {
        defer { extendLifetime(self) }
        return try attachment.notifier.wait(after: version, until: deadline)
    }
}

// MARK: Waiting in a task

extension Segment {
    /// The present text, then each later one; the newest when several came while the reader was busy.
    ///
    /// ```swift
    /// for try await snapshot in segment.changes { print(snapshot.text) }
    /// ```
    ///
    /// Ends when the task is cancelled, at once. Any number of tasks may follow a segment: they share one thread of
    /// this process, which is there only while one of them waits. What ``wait(after:timeout:)`` says of times holds
    /// here too.
    ///
    /// Throws ``SegmentError/unlinked(name:)`` after the last text when nothing more will come.
    public var changes: Changes { Changes(segment: self) }

    /// See ``Segment/changes``.
    public struct Changes: AsyncSequence, Sendable {
        public typealias Element = Snapshot
        public typealias Failure = SegmentError

        fileprivate let segment: Segment

        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(segment: segment) }

        public struct AsyncIterator: AsyncIteratorProtocol {
            fileprivate let segment: Segment
            /// What the reader has.
            private var version: Version?

            fileprivate init(segment: Segment) { self.segment = segment }

            public mutating func next() async throws(SegmentError) -> Snapshot? { try await next(isolation: nil) }

            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async throws(SegmentError) -> Snapshot? {
                while !Task.isCancelled {
                    if let snapshot = try newer() { return snapshot }
                    if let version { try await segment.replacement(of: version) }
                }
                return nil
            }

            /// The present text; nil when the reader has it, or when writers overtook us again and again.
            private mutating func newer() throws(SegmentError) -> Snapshot? {
                if let version, try segment.version == version { return nil }
                do throws(SegmentError) {
                    let snapshot = try segment.snapshot()
                    version = snapshot.version
                    return snapshot
                } catch {
                    if case .busy = error { return nil }
                    throw error
                }
            }
        }
    }

    /// Waits until the present version is another than `version`, or the task is cancelled.
    ///
    /// - Throws: ``SegmentError/unlinked(name:)``, when no other will come.
    private func replacement(of version: Version) async throws(SegmentError) {
        let notifier = try attachment.notifier
        guard try notifier.isCurrent(version) else { return }
        let waiter = Waiter()
        guard let id = try notifier.onReplacement(of: version, { waiter.resume() }) else { return }
        await withTaskCancellationHandler {
            await waiter.wait()
        } onCancel: {
            notifier.cancel(id)
            waiter.resume()
        }
        extendLifetime(self)
    }

    /// For the other doors: has `call` be called once, when the present version is another than `version` or the
    /// segment is unlinked.
    ///
    /// - Parameter call: in a thread of this library; others wait behind it.
    /// - Returns: nil when it is another already; then nothing is called.
    package func onReplacement(
        of version: Version, _ call: @escaping @Sendable () -> Void
    ) throws(SegmentError) -> CallbackID? {
        defer { extendLifetime(self) }
        return try attachment.notifier.onReplacement(of: version, call)
    }

    /// For the other doors: undoes that.
    package func cancel(_ id: CallbackID) {
        _ = try? attachment.notifier.cancel(id)
        extendLifetime(self)
    }
}
