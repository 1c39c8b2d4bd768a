import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import SharedMemoryKeep
import Synchronization

/// The segment that a name leads to, as a resource that can be read and replaced.
final class SegmentResource: Sendable {
    let follower: SegmentFollower
    /// Nil if no version is kept on disk.
    let keeper: Keeper?
    /// Nil if the server follows no other one.
    let following: Following?
    let budget: ByteBudget
    private let log: ServerLog
    private let cached = Mutex<CachedText?>(nil)
    /// Whether the resource ends when its segment is unlinked; else another segment is created then.
    private let goesWithItsSegment: Bool
    private let removed = Atomic(false)
    /// Held to set or delete where both can happen, so that a condition of DELETE holds until the segment is gone.
    private let change = Mutex(())
    let counts = Counts()
    /// In coarse milliseconds.
    let lastUse = Atomic(0)

    /// What is counted for monitoring.
    struct Counts: ~Copyable {
        let streams = Atomic(0)
        let polls = Atomic(0)
        let conflicts = Atomic(0)
    }

    init(
        _ follower: SegmentFollower, _ budget: ByteBudget, _ log: ServerLog, _ keeper: Keeper? = nil,
        following: Following? = nil, goesWithItsSegment: Bool = false
    ) {
        self.following = following
        self.log = log
        self.follower = follower
        self.keeper = keeper
        self.budget = budget
        self.goesWithItsSegment = goesWithItsSegment
    }

    /// Whether there is no segment of this name any more, and another resource will lead to one that comes later.
    var isRemoved: Bool { removed.load(ordering: .acquiring) }

    func markRemoved() { removed.store(true, ordering: .releasing) }

    /// Gives up the attachment until the next use.
    func rest() {
        follower.detach()
        cached.withLock { $0 = nil }
    }

    var name: String { follower.name }

    var isAttached: Bool { (try? follower.attach()) != nil }

    /// The segment; nil while none can be attached.
    private var segment: Segment? { follower.segment ?? (try? follower.attach()) }

    /// The most bytes that the text can have; nil while no segment can be attached.
    var capacity: Int? { try? segment?.capacity }

    /// Replies to `GET` and `HEAD`.
    ///
    /// The lock belongs to this process, and a thread holds it for as long as copying a new version takes; if the version
    /// has not changed, that is one atomic load and a reference.
    ///
    /// - Parameter waitSeconds: how long the client was prepared to wait for a change.
    func read(_ conditions: Conditions = Conditions(), waitSeconds: Int? = nil) -> Reply {
        if isRemoved { return .problem(.noSegment) }
        follower.attachIfDue()
        guard let segment = follower.segment ?? attachLazily() else { return .problem(absence) }
        do throws(SegmentError) {
            return try cached.withLock { cached throws(SegmentError) in
                if let shown = following?.replica.shown {
                    if cached?.version != shown.version { cached = CachedText(shown, budget, following) }
                } else if try cached?.version != segment.version {
                    cached = nil
                    cached = try CachedText(segment, budget, following, link: linkToPredecessor)
                }
                cached?.renewDate(link: linkToPredecessor)
                guard let cached else { return .problem(.tooMuchInFlight) }
                let (response, notModified) =
                    waitSeconds.map { cached.responses(waitSeconds: $0, link: linkToPredecessor) }
                    ?? (cached.response, cached.notModified)
                return .read(response, notModified, conditions, cached.entityTag, lastModified: cached.lastModified)
            }
        } catch {
            return .problem(error.problem)
        }
    }

    /// Attaches to a segment that no request has needed yet.
    private func attachLazily() -> Segment? { goesWithItsSegment ? try? follower.attach() : nil }

    /// Why there is no segment.
    var absence: Problem {
        guard goesWithItsSegment else { return .unattached }
        do throws(SegmentError) {
            if isRemoved { return .noSegment }
            try follower.attach()
        } catch .notFound {
            return .noSegment
        } catch .leftover {
            return .noSegment
        } catch {
            return error.problem
        }
        return .unattached
    }

    /// What to tell a client that finds its segment just removed; its next try creates it.
    var absenceForSetting: Problem {
        let problem = absence
        return problem.type == .notFound ? .unavailable("The segment was just removed. Try again.") : problem
    }

    /// The reply to a client that asks for a stream while there is no segment.
    var refusedStream: Reply {
        let problem = absence
        // An `EventSource` gives up then; until it is told, it would connect again and again.
        return problem.type == .notFound ? .problem(problem) : .endedStream(problem)
    }

    /// The version that a client waits to see replaced; nil if it does not know the current one.
    func versionAwaited(by conditions: Conditions) -> Version? {
        guard let version = following?.replica.shown?.version ?? (try? segment?.version) else { return nil }
        return conditions.waitForChange(of: EntityTag(version)) ? version : nil
    }

    /// Makes a request's body the text, as far as it was kept.
    func put(_ body: RequestBody, _ conditions: Conditions = Conditions(), _ origin: RequestOrigin? = nil) -> Reply {
        set(body, conditions, origin).reply
    }

    /// Makes a request's body the text, as far as it was received.
    func set(_ body: RequestBody, _ conditions: Conditions, _ origin: RequestOrigin? = nil) -> SetOutcome {
        body.fault.map { .refused(.bodyNotKept($0)) } ?? body.withSpan { set($0, conditions, origin) }
    }

    /// Replaces the text, if the conditions hold at that moment.
    ///
    /// The conditions are judged for the very version that the text replaces, again after each race that another writer
    /// wins, through whatever interface.
    func set(_ text: Span<UInt8>, _ conditions: Conditions, _ origin: RequestOrigin? = nil) -> SetOutcome {
        goesWithItsSegment
            ? change.withLock { _ in replace(text, conditions, origin) } : replace(text, conditions, origin)
    }

    private func replace(_ text: Span<UInt8>, _ conditions: Conditions, _ origin: RequestOrigin?) -> SetOutcome {
        let condition: ((PublicationInfo) -> Bool)? = conditions.isPresent ? { conditions.permitReplacing($0) } : nil
        follower.attachIfDue()
        do throws(SegmentError) {
            for _ in 0..<3 {
                guard let segment else { return .refused(absenceForSetting) }
                let outcome = Result { () throws(SegmentError) in try segment.set(utf8: text, if: condition) }
                // The outcome counts only if the segment still had its name afterwards: an acknowledged text must not be
                // in a segment that was unlinked meanwhile, nor a refusal be due to what that one contained.
                if try segment.hasName {
                    let version = try outcome.get()
                    if let origin { log.set(name, version, byteCount: text.count, origin) }
                    return .set(version)
                }
                _ = try? follower.attach()
            }
            throw .busy(doing: "setting '\(name)' while other processes unlinked it")
        } catch .versionMismatch(let current) {
            counts.conflicts.add(1, ordering: .relaxed)
            return .refused(conditions.problem(current: EntityTag(current)))
        } catch {
            return .refused(error.problem)
        }
    }

    /// Removes the segment, if the conditions hold for its text.
    ///
    /// No request to this server sets the text in between; a local process may, in the microseconds that this takes.
    /// - Returns: why it was not removed; nil if it was.
    func delete(
        _ conditions: Conditions, _ unlink: () throws(SegmentError) -> Void
    ) throws(SegmentError) -> Problem? {
        try change.withLock { _ throws(SegmentError) in
            if let problem = refusal(conditions) { return problem }
            // The server that replicates it would make another at once, with its own text.
            if let error = try segment?.replicated { return error.problem }
            try unlink()
            return nil
        }
    }

    /// Why the text may not be replaced now; nil if it may.
    ///
    /// A client that waits to be asked for its text need not send it then.
    func refusal(_ conditions: Conditions) -> Problem? {
        guard following == nil, conditions.isPresent, let info = try? segment?.publicationInfo(),
            !conditions.permitReplacing(info)
        else { return nil }
        counts.conflicts.add(1, ordering: .relaxed)
        return conditions.problem(current: EntityTag(info.version))
    }
}

extension Conditions {
    /// What a client is told whose condition failed.
    fileprivate func problem(current: EntityTag) -> Problem {
        hasAltered(current) ? .alteredTag(current: current) : .preconditionFailed(current: current)
    }
}

extension Reply {
    /// The reply to a `GET` or `HEAD` under conditions.
    ///
    /// - Parameter notModified: the response of status 304, without the fields that describe a body.
    static func read(
        _ response: Response, _ notModified: Response, _ conditions: Conditions, _ tag: EntityTag, lastModified: Int64?
    ) -> Reply {
        switch conditions.verdictForReading(tag, lastModified: lastModified) {
        case .proceed: .response(.ok, response)
        case .notModified: .response(.notModified, notModified)
        case .failed: .problem(conditions.problem(current: tag))
        }
    }
}

extension Conditions {
    fileprivate func permitReplacing(_ current: PublicationInfo) -> Bool {
        permitReplacing(
            EntityTag(current.version),
            lastModified: current.publicationTime.lastModified(before: Clock.realtimeSeconds))
    }
}
