import HTTPMessages
import LinuxSystem
import Logging
import MicroHTTPD
import SharedMemory
import Synchronization

/// The segments in a directory, which come and go: clients create and delete them, and so do local processes.
final class ServedDirectory: Sendable {
    private let directory: SegmentDirectory
    private let limit: Int
    private let patterns: [String]
    private let creation: AttachmentOptions
    private let list: SegmentList
    private let budget: ByteBudget
    private let log: ServerLog
    private let localChanges: LocalChangeLog
    private let state: Mutex<State>
    /// Retains the directory until it is stopped.
    private let watcher = Mutex<BackgroundLoop?>(nil)
    /// Held to create a segment, and to find a new one: no client sees a segment that has yet to get its first text.
    private let creating = Mutex(())
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
    init(
        _ creation: AttachmentOptions, limit: Int, pattern: String?, _ list: SegmentList, _ budget: ByteBudget,
        _ log: ServerLog, _ localChanges: LocalChangeLog
    ) throws(SegmentError) {
        directory = try SegmentDirectory(creation.directory)
        patterns = pattern.map { [$0] } ?? []
        (self.limit, self.creation, self.list, self.budget) = (limit, creation, list, budget)
        (self.log, self.localChanges) = (log, localChanges)
        state = Mutex(State { _ in })
    }

    /// Looks at the whole directory, and from then on at whatever changes in it; ``stop()`` must follow.
    func start(onRemoval: @escaping @Sendable (SegmentResource) -> Void) throws(SystemError) {
        state.withLock { $0.onRemoval = onRemoval }
        let watch = try DirectoryWatch(directory.path)
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

    // MARK: Finding

    /// Whether a segment of this name can be served.
    func allows(_ name: String) -> Bool { (try? SegmentName(name)) != nil && name.matches(anyOf: patterns) }

    func find(_ name: String) -> SegmentResource? {
        if let resource = state.withLock({ $0.resources[name] }) { return attachable(resource) }
        // It may have been created a moment ago.
        guard allows(name), directory.contains(name) else { return nil }
        return creating.withLock { _ in findNew(name) }
    }

    private func findNew(_ name: String) -> SegmentResource? {
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
        return follower.map { SegmentResource($0, budget, log, goesWithItsSegment: true) }
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

    // MARK: Creating and deleting

    /// The most bytes that the text of a new segment can have.
    var capacity: Int { (try? creation.capacityToCreate()) ?? 0 }

    /// Creates a segment, sets its text, and replies.
    ///
    /// Of several clients that create it at the same time, one does, and the others replace its text if their conditions
    /// hold then.
    func create(
        _ name: String, _ text: Span<UInt8>, _ conditions: Conditions, _ origin: RequestOrigin?
    ) -> Reply {
        creating.withLock { _ in
            if let resource = findNew(name) { return resource.set(text, conditions, origin).reply }
            guard !conditions.hasIfMatch else { return .problem(.noSegmentToMatch) }
            guard state.withLock({ $0.resources.count < limit }) else { return .problem(.tooManySegments(limit)) }
            return createNow(name, text, conditions, origin)
        }
    }

    private func createNow(
        _ name: String, _ text: Span<UInt8>, _ conditions: Conditions, _ origin: RequestOrigin?
    ) -> Reply {
        do throws(SegmentError) {
            try Segment.check(utf8: text)
            let segment = try Segment.attach(name, creation)
            let version = try segment.set(utf8: text) { $0.version.number == 0 }
            look(at: name)
            if let origin {
                log.created(name, origin)
                log.set(name, version, byteCount: text.count, origin)
            }
            return .created(version, at: "/shared/\(name)")
        } catch .versionMismatch {
            return findNew(name)?.set(text, conditions, origin).reply ?? .problem(.unattached)
        } catch {
            // Without its first text, it is of no use to anyone.
            discard(name)
            return .problem(error.problem)
        }
    }

    /// Removes a segment that was created in vain, unless another process has set it.
    private func discard(_ name: String) {
        guard let info = try? Segment.info(name, directory: directory.path), info.version.number == 0 else { return }
        try? Segment.unlink(name, directory: directory.path, trustedOwners: creation.trustedOwners)
    }

    /// Removes a segment if the conditions hold, and replies.
    func delete(_ resource: SegmentResource, _ conditions: Conditions, _ origin: RequestOrigin?) -> Reply {
        do throws(SegmentError) {
            let problem = try resource.delete(conditions) { () throws(SegmentError) in
                try Segment.unlink(
                    resource.name, directory: directory.path, trustedOwners: creation.trustedOwners)
            }
            if let problem { return .problem(problem) }
        } catch .notFound {
            look(at: resource.name)
            return .problem(.noSegment)
        } catch {
            return .problem(error.problem)
        }
        look(at: resource.name)
        if let origin { log.deleted(resource.name, origin) }
        return .response(.noContent, Response())
    }
}

extension Reply {
    fileprivate static func created(_ version: Version, at path: String) -> Reply {
        let response = Response()
        response.add(.entityTag, EntityTag(version))
        response.add(.location, path)
        return .response(.created, response)
    }
}
