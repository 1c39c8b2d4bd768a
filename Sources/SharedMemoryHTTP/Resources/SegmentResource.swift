import LinuxSystem
import SharedMemory
import Synchronization

/// A segment as a resource: reads it, sets it, and keeps attached to whatever its name leads to.
final class SegmentResource: Sendable {
    let name: String
    private let options: AttachmentOptions
    private let budget: ByteBudget
    private let report: @Sendable (String) -> Void
    private let state: Mutex<State>
    /// When to look again whether the name still leads to what is attached; coarse milliseconds.
    private let nextCheck: Atomic<Int>

    private struct State: ~Copyable {
        /// Nil while none can be attached.
        var segment: Segment?
        var cached: CachedText?
        /// Why none can be attached, as reported.
        var reason: SegmentError?
    }

    init(
        _ name: String, _ options: AttachmentOptions, _ budget: ByteBudget,
        _ report: @escaping @Sendable (String) -> Void
    ) throws(SegmentError) {
        self.name = name
        self.options = options
        self.budget = budget
        self.report = report
        let segment = try Segment.attach(name, options)
        state = Mutex(State(segment: segment, cached: nil))
        nextCheck = Atomic(Clock.coarseMilliseconds + Self.checkInterval)
    }
}

// MARK: Reading

extension SegmentResource {
    /// Answers GET and HEAD.
    ///
    /// The lock is this process's own, and one thread at a time is held up by it for as long as a
    /// copy of a new text takes; an unchanged one costs one atomic load and a reference.
    ///
    /// - Parameter waitSeconds: how long a client with conditions was ready to wait for a change.
    func read(_ request: Request, isConditional: Bool, waitSeconds: Int? = nil) -> Bool {
        checkAttachmentSometimes()
        return state.withLock { state in
            guard let segment = state.segment else { return request.answer(.unattached) }
            do throws(SegmentError) {
                let version = try segment.version
                if state.cached?.version != version {
                    state.cached = nil
                    state.cached = try CachedText(segment, budget)
                }
                state.cached?.renewDate()
            } catch {
                return request.answer(Problem(error))
            }
            return Self.answer(request, with: state.cached, isConditional, waitSeconds)
        }
    }

    private static func answer(
        _ request: Request, with cached: borrowing CachedText?, _ isConditional: Bool, _ waitSeconds: Int?
    ) -> Bool {
        switch cached {
        case .none: request.answer(.tooMuchInFlight)
        case .some(let cached):
            if let waitSeconds {
                cached.read(request, cached.response(toWaitOf: waitSeconds))
            } else if isConditional {
                cached.read(request, cached.response)
            } else {
                request.answer(.ok, cached.response)
            }
        }
    }

    /// The version that a client waits to see replaced; nil if it does not know the present one.
    func versionKnown(to request: Request) -> Version? {
        guard let version = try? segment?.version else { return nil }
        // No date, as it could not tell two changes of one second apart.
        return Preconditions(request, entityTag: EntityTag(version), lastModified: nil).isToWait ? version : nil
    }
}

extension CachedText {
    /// Answers a read under conditions.
    fileprivate func read(_ request: Request, _ response: borrowing Response) -> Bool {
        let conditions = Preconditions(request, entityTag: entityTag, lastModified: lastModified)
        switch conditions.verdict(isRead: true) {
        case .proceed: return request.answer(.ok, response)
        // Without its body, and so with the length that it would have.
        case .notModified: return request.answer(.notModified, response)
        case .failed: return request.answer(.preconditionFailed(present: entityTag))
        }
    }
}

// MARK: Setting

extension SegmentResource {
    /// Makes a request's body the text, if its conditions hold then, and answers it.
    ///
    /// The conditions are asked of the very version that the text replaces: again after each race
    /// lost to another writer, through whichever door.
    func set(_ request: Request, _ text: RawSpan, isConditional: Bool) -> Bool {
        let condition: ((PublicationInfo) -> Bool)? =
            isConditional ? { head in Self.conditions(request, head).verdict(isRead: false) == .proceed } : nil
        checkAttachmentSometimes()
        do throws(SegmentError) {
            for _ in 0..<3 {
                guard let segment = segment ?? attached() else { return request.answer(.unattached) }
                let outcome = Result { () throws(SegmentError) in try segment.set(utf8: text, if: condition) }
                // What came of it counts where the segment had its name afterwards: an acknowledged text is not in
                // one that was unlinked meanwhile, nor is one refused for what that one had.
                if try segment.hasName { return answerSet(request, try outcome.get()) }
                _ = attached()
            }
            throw .busy(doing: "setting '\(name)', which is unlinked again and again")
        } catch {
            return request.answer(Problem(error))
        }
    }

    private func answerSet(_ request: Request, _ version: Version) -> Bool {
        let response = Response()
        response.add(.entityTag, EntityTag(version).quoted)
        return request.answer(.noContent, response)
    }

    private static func conditions(_ request: Request, _ head: PublicationInfo) -> Preconditions {
        Preconditions(
            request, entityTag: EntityTag(head.version), lastModified: Int64(head.publicationTime.secondsSince1970))
    }

    /// The most bytes a text can have; nil while none can be attached.
    var capacity: Int? {
        return try? (segment ?? attached())?.capacity
    }
}

// MARK: Staying attached

extension SegmentResource {
    private static let checkInterval = 500

    var isAttached: Bool { attached() != nil }

    /// The segment as it was last attached; nil while none can be.
    var segment: Segment? { state.withLock { $0.segment } }

    /// On reads and changes, now and then: no thread wakes up for it while nobody asks.
    func checkAttachmentSometimes() {
        let next = nextCheck.load(ordering: .relaxed)
        let now = Clock.coarseMilliseconds
        guard now >= next else { return }
        let (won, _) = nextCheck.compareExchange(
            expected: next, desired: now + Self.checkInterval, ordering: .relaxed)
        if won { _ = attached() }
    }

    /// The segment that the name leads to, attached anew if it was unlinked or replaced.
    func attached() -> Segment? {
        if let segment, (try? segment.isUnlinked) == false { return segment }
        do throws(SegmentError) {
            let segment = try Segment.attach(name, options)
            report("attached to '\(name)' anew, as it was unlinked")
            replace(with: segment, because: nil)
            return segment
        } catch {
            if replace(with: nil, because: error) != error { report("'\(name)' can not be attached: \(error)") }
            return nil
        }
    }

    /// - Returns: why there was none before.
    @discardableResult
    private func replace(with segment: Segment?, because reason: SegmentError?) -> SegmentError? {
        state.withLock { state in
            let before = state.reason
            state.segment = segment
            state.cached = nil
            state.reason = reason
            return before
        }
    }
}
