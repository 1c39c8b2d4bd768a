import HTTPMessages
import LinuxSystem
import Logging
import MicroHTTPD
import SharedMemory
import SharedMemoryKeep
import Synchronization

/// The segments in a directory, which come and go: clients create and delete them, and so do local processes.
final class ServedDirectory: Sendable {
    let directory: SegmentDirectory
    let limit: Int
    private let patterns: [String]
    let creation: AttachmentOptions
    private let list: SegmentList
    /// The names that are served before others, because their text is kept.
    private let kept: [String]
    /// Nil if no text is kept on disk.
    let keeper: Keeper?
    private let budget: ByteBudget
    let log: ServerLog
    private let localChanges: LocalChangeLog
    private let state: Mutex<State>
    /// Retains the directory until it is stopped.
    private let watcher = Mutex<BackgroundLoop?>(nil)
    /// Held to create a segment, and to find a new one: no client sees a segment that has yet to get its first text.
    let creating = Mutex(())
    /// Held from a look at the file of a name until its outcome is recorded: the last look counts.
    private let looking = Mutex(())

    private struct State {
        var resources: [String: SegmentResource] = [:]
        /// Those that are attached, or were: each holds descriptors.
        var attached: [SegmentResource] = []
        var isFull = false
        /// Told of a segment that was removed.
        var onRemoval: @Sendable (SegmentResource) -> Void
    }

    /// The most segments that are attached at a time; beyond that, the least recently used ones are detached.
    static let attachmentLimit = 256
    /// How many are detached at a time: each takes some microseconds.
    private static let leavingCount = 8

    /// - Parameters:
    ///   - creation: what a segment is created with.
    ///   - limit: the most segments that are served.
    ///   - pattern: of the names that are served; nil for all.
    ///   - kept: the names that are served before others, if there are too many.
    init(
        _ creation: AttachmentOptions, limit: Int, pattern: String?, keeping kept: [String], _ keeper: Keeper?,
        _ list: SegmentList, _ budget: ByteBudget, _ log: ServerLog, _ localChanges: LocalChangeLog
    ) throws(SegmentError) {
        directory = try SegmentDirectory(creation.directory)
        patterns = pattern.map { [$0] } ?? []
        (self.limit, self.creation, self.list, self.budget) = (limit, creation, list, budget)
        (self.log, self.localChanges, self.kept, self.keeper) = (log, localChanges, kept, keeper)
        state = Mutex(State { _ in })
    }

    /// Looks at the whole directory, and from then on at whatever changes in it; ``stop()`` must follow.
    func start(onRemoval: @escaping @Sendable (SegmentResource) -> Void) throws(SystemError) {
        state.withLock { $0.onRemoval = onRemoval }
        let watch = try DirectoryWatch(directory.path)
        for name in kept { look(at: name) }
        lookAtAll()
        let loop = try BackgroundLoop(named: "sharedmem names") { [self] end in
            switch watch.wait(orUntil: end) {
            case .end: return false
            case .overflow: creating.withLock { _ in lookAtAll() }
            case .names(let files):
                for name in files.compactMap(SegmentDirectory.segmentName) { creating.withLock { _ in look(at: name) } }
            }
            return true
        }
        watcher.withLock { $0 = loop }
    }

    func stop() { watcher.withLock { $0 }?.stop() }

    /// Whether there are as many segments as there may be.
    var isFull: Bool { state.withLock { $0.resources.count >= limit } }

    // MARK: Finding

    /// Whether a segment of this name can be served.
    func allows(_ name: String) -> Bool { (try? SegmentName(name)) != nil && name.matches(anyOf: patterns) }

    func find(_ name: String) -> SegmentResource? {
        if let resource = state.withLock({ $0.resources[name] }) { return attachable(resource) }
        // It may have been created a moment ago.
        guard allows(name), directory.contains(name) else { return nil }
        return creating.withLock { _ in findNew(name) }
    }

    /// The segments that are attached, as requests have needed them; their number is limited.
    var attached: [SegmentResource] { state.withLock { $0.attached }.filter { $0.follower.segment != nil } }

    func findNew(_ name: String) -> SegmentResource? {
        look(at: name)
        return state.withLock { $0.resources[name] }.map(attachable)
    }

    /// Makes room for one more attachment if the resource is going to need it.
    private func attachable(_ resource: SegmentResource) -> SegmentResource {
        resource.lastUse.store(Clock.coarseMilliseconds, ordering: .relaxed)
        guard resource.follower.segment == nil else { return resource }
        let idle = state.withLock { state in
            guard !state.attached.contains(where: { $0 === resource }) else { return [] as ArraySlice<SegmentResource> }
            state.attached.append(resource)
            guard state.attached.count > Self.attachmentLimit else { return [] }
            state.attached.sort { $0.lastUse.load(ordering: .relaxed) < $1.lastUse.load(ordering: .relaxed) }
            defer { state.attached.removeFirst(Self.leavingCount) }
            return state.attached.prefix(Self.leavingCount)
        }
        for resource in idle {
            localChanges.leave(resource.name)
            resource.rest()
        }
        if let segment = try? resource.follower.attach() { localChanges.follow(resource.name, segment) }
        return resource
    }

    private func lookAtAll() {
        let found = (try? directory.names()) ?? []
        let known = state.withLock { Array($0.resources.keys) }
        for name in Set(found).union(known).sorted() { look(at: name) }
    }

    /// Looks at what a name leads to now, and serves it, or no longer.
    func look(at name: String) {
        guard allows(name) else { return }
        looking.withLock { _ in
            guard directory.contains(name) else { return remove(name) }
            if add(name) { list.look(at: name) }
        }
    }

    /// - Returns: false if there are too many already.
    private func add(_ name: String) -> Bool {
        let (isServed, isNews) = state.withLock { state in
            if state.resources[name] != nil { return (true, false) }
            guard state.resources.count < limit else {
                defer { state.isFull = true }
                return (false, !state.isFull)
            }
            state.isFull = false
            guard let resource = resource(name) else { return (false, false) }
            state.resources[name] = resource
            return (true, false)
        }
        if isNews {
            log.logger.warning(
                "there are more than \(limit) segments, and '\(name)' is not served: raise --max-segments")
        }
        return isServed
    }

    private func resource(_ name: String) -> SegmentResource? {
        var options = creation
        // A segment that exists has a capacity and permissions of its own.
        (options.creates, options.capacity, options.mode, options.group) = (false, nil, nil, nil)
        let follower = try? SegmentFollower(name, options, fallsBackToReadOnly: true)
        return follower.map { SegmentResource($0, budget, log, keeper, goesWithItsSegment: true) }
    }

    private func remove(_ name: String) {
        let (removed, onRemoval) = state.withLock { state in
            let removed = state.resources.removeValue(forKey: name)
            state.attached.removeAll { $0 === removed }
            return (removed, state.onRemoval)
        }
        list.remove(name)
        localChanges.leave(name)
        guard let removed else { return }
        removed.markRemoved()
        onRemoval(removed)
    }
}
