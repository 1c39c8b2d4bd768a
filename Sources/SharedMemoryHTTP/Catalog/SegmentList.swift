import HTTPMessages
import MicroHTTPD
import SharedMemory
import Synchronization

/// The list of the segments that are served: what it says of each is kept, and renewed by a look at the header of each.
///
/// A look takes a few nanoseconds for each segment, and none of them needs a descriptor or an attachment.
final class SegmentList: Sendable {
    private let directory: String?
    private let trustedOwners: Set<TrustedOwner>
    private let state = Mutex(State())
    let subscriberCount = Atomic(0)
    private let followers = Mutex<[SegmentFollower]>([])
    /// Told of each name that has come to lead to another segment, or to none.
    private let onLook: @Sendable (String, SegmentGlance?) -> Void

    fileprivate struct State {
        var segments: [String: ListedSegment] = [:]
        /// The names, sorted; nil after one has come or gone.
        var names: [String]?
        /// Counts the changes.
        var change: UInt64 = 1
        /// The names that were removed, while there are subscribers that have yet to be told.
        var removed: [String: UInt64] = [:]
        /// The changes in order, some of which later ones have replaced; kept only while there are subscribers.
        var log: [(change: UInt64, name: String)] = []
        var isLogged = false

        mutating func record(_ name: String) -> UInt64 {
            change += 1
            if isLogged { log.append((change, name)) }
            return change
        }
    }

    init(
        directory: String?, trustedOwners: Set<TrustedOwner>,
        onLook: @escaping @Sendable (String, SegmentGlance?) -> Void
    ) {
        self.directory = directory
        self.trustedOwners = trustedOwners
        self.onLook = onLook
    }

    /// Has these attach again soon if their segments are replaced; each of them then has the list look at the name.
    func follow(_ followers: [SegmentFollower]) { self.followers.withLock { $0 = followers } }

    private func attachIfDue() { for follower in followers.withLock({ $0 }) { follower.attachIfDue() } }

    /// Looks at what a name leads to now: the list has the name from then on, or no longer.
    func look(at name: String) {
        let look: SegmentGlance?? = state.withLock { state in
            if let known = state.segments[name], !known.glance.hasLostName { return nil }
            let glance = try? SegmentGlance(name, directory: directory, trustedOwners: trustedOwners)
            let before = state.segments[name]
            guard glance != nil || before != nil else { return nil }
            if (glance == nil) != (before == nil) { state.names = nil }
            let change = state.record(name)
            state.segments[name] = glance.map { ListedSegment($0, change: change) }
            state.removed[name] = glance == nil && state.isLogged ? change : nil
            return .some(glance)
        }
        if let look { onLook(name, look) }
    }

    func remove(_ name: String) {
        let isNews = state.withLock { state in
            guard state.segments.removeValue(forKey: name) != nil else { return false }
            state.names = nil
            let change = state.record(name)
            if state.isLogged { state.removed[name] = change }
            return true
        }
        if isNews { onLook(name, nil) }
    }

    /// An absolute path.
    var path: String { (try? SegmentDirectory(directory).path) ?? "" }

    /// Describes the segments of these resources for monitoring, sorted by name, as far as there are any.
    func measure(_ resources: [SegmentResource]) -> [(segment: MeasuredSegment, resource: SegmentResource)] {
        attachIfDue()
        let locks = AttachmentLocks()
        return state.withLock { state in
            resources.sorted { $0.name < $1.name }.compactMap { resource in
                (try? state.segments[resource.name]?.glance.measure(locks)).map { ($0, resource) }
            }
        }
    }

    /// The list as JSON, and a tag that tells two lists apart.
    ///
    /// - Parameter patterns: those of the names that the client may see; empty for all.
    func json(_ patterns: [String]) -> (bytes: [UInt8], tag: EntityTag) {
        attachIfDue()
        let (bytes, fingerprint, _) = state.withLock { $0.snapshot(patterns) }
        return (bytes, EntityTag(opaque: String(fingerprint, radix: 16)))
    }
}

extension SegmentList.State {
    /// Looks at the header of each segment.
    fileprivate mutating func refresh() {
        for (name, segment) in segments { _ = segment.refresh(change: record(name)) }
    }

    fileprivate mutating func sortedNames() -> [String] {
        let names = self.names ?? segments.keys.sorted()
        self.names = names
        return names
    }

    fileprivate mutating func snapshot(_ patterns: [String]) -> (bytes: [UInt8], fingerprint: UInt64, change: UInt64) {
        refresh()
        let names = sortedNames()
        var bytes = Array("{\"segments\":[".utf8)
        bytes.reserveCapacity(names.count * 200 + 32)
        var fingerprint: UInt64 = 0
        for name in names where name.matches(anyOf: patterns) {
            guard let segment = segments[name] else { continue }
            if bytes.last == UInt8(ascii: "}") { bytes.append(UInt8(ascii: ",")) }
            bytes += segment.json
            fingerprint = (fingerprint &* 31) ^ segment.fingerprint
        }
        bytes += Array("]}\n".utf8)
        return (bytes, fingerprint, change)
    }
}

// MARK: For subscribers

extension SegmentList {
    /// Begins to keep the changes that subscribers have yet to be told, or stops.
    func setLogged(_ isLogged: Bool) {
        state.withLock { state in
            state.isLogged = isLogged
            if !isLogged { (state.log, state.removed) = ([], [:]) }
        }
    }

    /// Looks at each segment, and returns the count of changes.
    func refresh() -> UInt64 {
        attachIfDue()
        return state.withLock { state in
            state.refresh()
            return state.change
        }
    }

    /// The event that begins a stream; nil if `budget` does not have that much left.
    func listEvent(_ patterns: [String], _ budget: ByteBudget) -> Event? {
        let (bytes, _, change) = state.withLock { $0.snapshot(patterns) }
        guard budget.take(bytes.count, upToOneIn: 2) else { return nil }
        let chunk = EventChunk.event(named: "list", data: bytes.span.extracting(droppingLast: 1))
        return Event(chunk, change: change, budget, budgetedByteCount: bytes.count)
    }

    /// The next change of which a subscriber has not been told.
    ///
    /// - Parameters:
    ///   - change: the last one of which it has been told. If nothing follows that it may see, this moves on.
    ///   - patterns: those of the names that it may see; empty for all.
    func next(after change: inout UInt64, _ patterns: [String]) -> Event? {
        state.withLock { state in
            for index in state.firstIndex(after: change)..<state.log.count {
                let (logged, name) = state.log[index]
                if name.matches(anyOf: patterns), let event = state.event(of: name, at: logged, after: change) {
                    return event
                }
            }
            change = max(change, state.log.last?.change ?? 0)
            return nil
        }
    }

    /// Forgets the changes of which all subscribers have been told.
    func forget(through change: UInt64) {
        state.withLock { state in
            state.log.removeFirst(state.firstIndex(after: change))
            for (name, removal) in state.removed where removal <= change { state.removed[name] = nil }
            // Most of what a slow subscriber has yet to be told may have been replaced since.
            if state.log.count > 2 * (state.segments.count + state.removed.count) + 64 {
                state.log = state.log.filter { state.isLatest($0.change, of: $0.name) }
            }
        }
    }
}

extension SegmentList.State {
    fileprivate func firstIndex(after change: UInt64) -> Int {
        var (low, high) = (0, log.count)
        while low < high {
            let middle = (low + high) / 2
            if log[middle].change <= change { low = middle + 1 } else { high = middle }
        }
        return low
    }

    fileprivate func isLatest(_ change: UInt64, of name: String) -> Bool {
        (segments[name]?.change ?? removed[name]) == change
    }

    /// Nil if a later change has replaced this one, or if what has come and gone was never told.
    fileprivate func event(of name: String, at change: UInt64, after known: UInt64) -> Event? {
        guard isLatest(change, of: name) else { return nil }
        guard let segment = segments[name] else {
            let data = Array("{\"name\":\"\(name)\"}".utf8)
            return Event(.event(named: "removed", data: data.span), change: change)
        }
        if segment.arrival > known {
            return Event(.event(named: "created", data: segment.json.span), change: change)
        }
        if let event = segment.event { return event }
        let event = Event(.event(named: "changed", data: segment.json.span), change: change)
        segment.event = event
        return event
    }
}

extension String {
    /// - Parameter patterns: if there are none, everything matches.
    func matches(anyOf patterns: [String]) -> Bool { patterns.isEmpty || patterns.contains { matches(pattern: $0) } }
}
