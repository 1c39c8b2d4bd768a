import LinuxSystem
import SharedMemory

/// A segment that is kept, and what has to be done for it.
///
/// `@unchecked`: once the keeper's thread has it, that thread alone uses it.
final class KeptSegment: @unchecked Sendable {
    let name: String
    var archive: Archive
    let source: any KeepSource

    /// Whether there may be something newer.
    var isStale = true
    /// When to look for the segment again, in coarse milliseconds.
    private var nextLook = Int.max
    /// When the oldest change was noticed that is not on disk; nil if there is none.
    private(set) var changedAt: Int?
    /// When the segment may be written again.
    private var nextWrite = 0
    private(set) var failures = 0
    var waiters: [KeepWaiter] = []
    /// What is left of segments that had the name before, and has yet to be removed; nil if there is nothing.
    var removal: KeepRemoval?

    init(_ archive: Archive, _ source: any KeepSource) {
        name = archive.name
        self.archive = archive
        self.source = source
    }

    /// When there is something to do; `Int.max` if only a change can be next.
    var due: Int {
        if isStale { return 0 }
        let nextRemoval = removal?.due ?? .max
        guard changedAt != nil else { return min(nextLook, nextRemoval) }
        return waiters.isEmpty ? min(nextWrite, nextRemoval) : 0
    }

    var published: KeeperInbox.Published {
        let instance = (source as? ScannedSource)?.glance?.instance
        return KeeperInbox.Published(
            versions: archive.versions(seenFrom: instance), instance: instance, failures: failures,
            changedAt: changedAt)
    }

    func read(_ reading: KeepReading, report: (String) -> Void) {
        let versions = published.versions
        let index = versions.firstIndex { $0.version == reading.version }
        let predecessor = index.flatMap { $0 > 0 ? versions[$0 - 1] : nil }
        let isFound = try? index.flatMap { _ in
            try archive.withText(of: reading.version, report: report) { kept, text in
                reading.found(kept, predecessor, text)
                return true
            }
        }
        if isFound != true { reading.missing() }
    }

    func answerAll(_ outcome: KeepOutcome) {
        defer { waiters = [] }
        for waiter in waiters { waiter.call(outcome) }
    }
}

// MARK: Looking for changes

extension KeptSegment {
    /// Looks for a version newer than the one on disk; if there is none, has the next one announced.
    func look(_ announce: @escaping @Sendable () -> Void) {
        source.stopAnnouncing()
        (isStale, nextLook) = (false, .max)
        do throws(SegmentError) {
            let version = try source.look()
            if version.number > 0, version != archive.newest?.version {
                changedAt = changedAt ?? Clock.coarseMilliseconds
                return
            }
            changedAt = nil
            answerWaiters(current: version)
            isStale = try !source.announce(after: version, announce)
        } catch {
            nextLook = source.nextLook
            leaveAlone()
        }
    }

    /// Does without a segment that is gone, or that is not to be kept.
    private func leaveAlone() {
        changedAt = nil
        answerAll(.notKept(reason: "the segment is gone"))
    }

    /// Answers when the current version is on disk, or was never set.
    private func answerWaiters(current: Version) {
        let isLost = current.number == 0
        for waiter in waiters {
            waiter.call(isLost ? .notKept(reason: "the segment was unlinked") : .kept)
        }
        waiters = []
    }
}

// MARK: Writing

extension KeptSegment {
    /// Writes the newest version; it is on disk once the storage is synchronized, and then ``succeed()`` follows.
    ///
    /// - Returns: false if there is nothing to write any more.
    func publish(_ storage: DiskStorage, intervalMilliseconds: Int) throws(KeepFailure) -> Bool {
        nextWrite = Clock.coarseMilliseconds + intervalMilliseconds
        guard let segment = try source.open(storage) else {
            leaveAlone()
            return false
        }
        let draft = try draft(of: segment)
        try fromSystem { () throws(SystemError) in try archive.publish(draft) }
        return true
    }

    private func draft(of segment: Segment) throws(KeepFailure) -> Archive.Draft {
        let result: Result<Archive.Draft, SystemError>
        do throws(SegmentError) {
            let capacity = try segment.capacity
            // Written from the shared bytes: there is no copy, and no writer waits.
            result = try segment.withPublication { text, version, time in
                Result { () throws(SystemError) in try archive.write(text, version, time, capacity: capacity) }
            }
        } catch {
            throw KeepFailure(reason: "\(error)")
        }
        return try fromSystem(result.get)
    }

    /// Notes that the published version is on disk.
    func succeed() {
        archive.commit()
        guard let kept = archive.newest?.version else { return }
        let (answered, left) = (waiters.filter { $0.isAnswered(by: kept) }, waiters.filter { !$0.isAnswered(by: kept) })
        waiters = left
        (changedAt, isStale) = (nil, true)
        for waiter in answered { waiter.call(.kept) }
    }

    func fail(_ failure: KeepFailure, intervalMilliseconds: Int) {
        failures += 1
        // A disk that is full or gone is retried seldom, except for clients that wait.
        nextWrite = Clock.coarseMilliseconds + max(intervalMilliseconds, 1000)
        answerAll(.notKept(reason: failure.reason))
    }
}

extension KeepWaiter {
    /// Whether a version on disk is the one that is waited for, or a later one; that of another instance is later.
    fileprivate func isAnswered(by kept: Version) -> Bool {
        kept.instance != version.instance || kept.number >= version.number
    }
}

/// Why a version could not be written to disk.
struct KeepFailure: Error {
    let reason: String
    /// With the call and the file, which are for the operator alone.
    let detail: String

    init(reason: String) { (self.reason, detail) = (reason, reason) }

    init(_ error: SystemError) { (reason, detail) = (error.reason, "\(error)") }
}

func fromSystem<Value: ~Copyable>(_ calls: () throws(SystemError) -> Value) throws(KeepFailure) -> Value {
    do throws(SystemError) {
        return try calls()
    } catch {
        throw KeepFailure(error)
    }
}
