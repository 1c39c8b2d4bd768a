import SharedMemory

/// A segment as its watchers see it: who they are, and what is newest.
///
/// For one thread at a time.
final class Feed {
    private(set) var watchers: [Watcher] = []
    /// What the present text is, as far as it is known here; nil before it was looked at.
    private(set) var version: Version?
    /// What tells event streams so; nil while there are none.
    private(set) var event: EventBytes?
    /// There may be something newer.
    var isStale = false
    private let resource: SegmentResource
    private let budget: ByteBudget
    private var streamCount = 0
    /// What the version is of, and what calls when there is another.
    private var segment: Segment?
    private var callback: CallbackID?

    init(_ resource: SegmentResource, _ budget: ByteBudget) {
        self.resource = resource
        self.budget = budget
    }
}

// MARK: Who watches

extension Feed {
    func add(_ watcher: Watcher) {
        watcher.index = watchers.count
        watchers.append(watcher)
        if !watcher.isPoll { streamCount += 1 }
        if !isPresent || !watcher.isPoll && event == nil { isStale = true }
    }

    /// Whether `version` is the present one to those who serve requests: a client may know it from them.
    private var isPresent: Bool {
        guard let segment, let version else { return false }
        return segment === resource.segment && (try? segment.version) == version
    }

    func remove(_ watcher: Watcher) {
        let last = watchers.removeLast()
        if last !== watcher {
            last.index = watcher.index
            watchers[last.index] = last
        }
        if !watcher.isPoll { streamCount -= 1 }
        if streamCount == 0 { event = nil }
        if watchers.isEmpty { forget() }
    }

    /// Nobody watches: nothing is waited for, nothing kept.
    private func forget() {
        cancel()
        segment = nil
        version = nil
        isStale = false
    }

    private func cancel() {
        if let callback { segment?.cancel(callback) }
        callback = nil
    }
}

// MARK: What is newest

extension Feed {
    enum Refresh {
        case done
        /// Texts on their way take all that they may.
        case noMemory
        /// There is no text to be had at present.
        case failed
    }

    /// Looks what is newest.
    ///
    /// - Parameter isCounted: false to have the memory for it in any case.
    func refresh(isCounted: Bool = true) -> Refresh {
        cancel()
        isStale = true
        do throws(SegmentError) {
            segment = try newest()
            version = try segment?.version
            guard let segment else {
                event = nil
                return .failed
            }
            if streamCount > 0, event?.version != version {
                event = nil
                event = try EventBytes.text(of: segment, isCounted ? budget : nil)
                guard let event else { return .noMemory }
                version = event.version
            }
            return .done
        } catch {
            return .failed
        }
    }

    /// The segment, attached anew if it is not its version that has changed; twice a second even so, as one that was
    /// unlinked may be set on and on.
    private func newest() throws(SegmentError) -> Segment? {
        resource.checkAttachmentSometimes()
        if let segment, segment === resource.segment, try segment.version != version { return segment }
        return resource.attached()
    }

    /// Has `call` be called when there is something newer; until then it is not stale.
    ///
    /// - Returns: false when there is already.
    /// - Throws: when there is no way to hear of it.
    func listen(_ call: @escaping @Sendable () -> Void) throws(SegmentError) -> Bool {
        guard let segment, let version else { return true }
        callback = try segment.onReplacement(of: version, call)
        isStale = callback == nil
        return !isStale
    }
}
