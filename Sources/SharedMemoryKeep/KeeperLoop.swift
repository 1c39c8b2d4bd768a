import LinuxSystem
import SharedMemory
import Synchronization

/// What the keeper's thread does: looks at the segments that may have changed, writes those that are due, and synchronizes
/// the directory once for all of them.
///
/// `@unchecked`: only the keeper's thread uses it.
final class KeeperLoop: @unchecked Sendable {
    let storage: DiskStorage
    private var lock: KeepLock
    let settings: Keeper.Settings
    let inbox: KeeperInbox
    var segments: [String: KeptSegment] = [:]
    /// The segments for which there is something to do, now or later.
    private var pending: [String: KeptSegment] = [:]
    /// The segments whose newest version could not be written to disk.
    private var failing: Set<String> = []
    private var isReleased = false
    let scan: DirectoryScan

    /// How many segments are written at a time; a client that waits for another one does not wait for all.
    private static let batchCount = 32

    init(
        _ storage: DiskStorage, _ lock: consuming KeepLock, _ settings: Keeper.Settings, _ inbox: KeeperInbox
    ) {
        self.lock = lock
        (self.storage, self.settings, self.inbox) = (storage, settings, inbox)
        scan = DirectoryScan(intervalMilliseconds: settings.intervalMilliseconds)
    }

    func run() {
        while true {
            inbox.wakeUp.wait(timeoutMilliseconds: timeoutMilliseconds)
            let news = inbox.take()
            take(news)
            keep(all: false)
            for reading in news.readings { read(reading) }
            guard news.stage != .open else { continue }
            keep(all: true)
            if !isReleased {
                isReleased = true
                for segment in segments.values { segment.answerAll(.notKept(reason: "the server is shutting down")) }
                inbox.released.signal()
            }
            if news.stage == .stopped { return end() }
        }
    }

    private var timeoutMilliseconds: CInt {
        let next = min(scan.due, pending.values.map(\.due).min() ?? .max)
        return next == .max ? -1 : CInt(clamping: max(0, next - Clock.coarseMilliseconds))
    }

    private func take(_ news: KeeperInbox.News) {
        for segment in news.arrivals { add(segment) }
        for (name, glance) in news.looks { follow(name, glance) }
        for (name, call) in news.removals { remove(name, call) }
        for name in news.changed { segments[name].map(markStale) }
        for (name, waiter) in news.waiters {
            if let segment = segment(name, of: waiter.version) {
                segment.waiters.append(waiter)
                markStale(segment)
            } else {
                waiter.call(.notKept(reason: "the segment is no longer served"))
            }
        }
    }

    func add(_ segment: KeptSegment) {
        segments[segment.name] = segment
        if let source = segment.source as? ScannedSource { scan.add(segment.name, source) }
        tell(segment)
    }

    /// Keeps a segment no longer.
    func leave(_ segment: KeptSegment) {
        segment.answerAll(.notKept(reason: "the segment is no longer served"))
        // Nothing of it is on disk.
        segment.removal?.end()
        segment.removal = nil
        segment.source.stopAnnouncing()
        scan.remove(segment.name)
        (segments[segment.name], pending[segment.name]) = (nil, nil)
        setFailing(segment.name, nil)
        inbox.told.withLock { $0.published[segment.name] = nil }
    }

    /// Has the segment looked at.
    func markStale(_ segment: KeptSegment) {
        segment.isStale = true
        pending[segment.name] = segment
    }

    private func read(_ reading: KeepReading) {
        guard let segment = segments[reading.name] else { return reading.missing() }
        segment.read(reading, report: settings.report)
        tell(segment)
    }

    private func end() {
        for segment in segments.values { segment.source.stopAnnouncing() }
        (segments, pending) = ([:], [:])
    }
}

// MARK: Keeping

extension KeeperLoop {
    /// Writes what is due to disk, or everything that is not there.
    private func keep(all: Bool) {
        let now = Clock.coarseMilliseconds
        if all || scan.due <= now { lookAtAll() }
        removeFiles(of: pending.values.filter { $0.removal.map { all || $0.due <= now } ?? false })
        for segment in all ? Array(segments.values) : pending.values.filter({ $0.due <= now }) { look(segment) }
        var due = pending.values.filter { $0.changedAt != nil && (all || $0.due <= now) }
        if !all, due.count > Self.batchCount {
            due.sort { !$0.waiters.isEmpty && $1.waiters.isEmpty }
            due.removeLast(due.count - Self.batchCount)
        }
        write(due)
    }

    private func write(_ due: [KeptSegment]) {
        var published: [KeptSegment] = []
        for segment in due {
            do throws(KeepFailure) {
                try lock.hold(storage)
                if try segment.publish(storage, intervalMilliseconds: settings.intervalMilliseconds) {
                    published.append(segment)
                } else {
                    tell(segment)
                }
            } catch {
                fail(segment, error)
            }
        }
        guard !published.isEmpty else { return }
        do throws(KeepFailure) {
            try fromSystem(storage.synchronize)
            for segment in published { succeed(segment) }
        } catch {
            for segment in published { fail(segment, error) }
        }
    }

    private func look(_ segment: KeptSegment) {
        segment.look { [inbox, name = segment.name] in inbox.deliver { _ = $0.changed.insert(name) } }
        if segment.changedAt == nil, segment.removal == nil { setFailing(segment.name, nil) }
        tell(segment)
    }

    private func succeed(_ segment: KeptSegment) {
        segment.succeed()
        if segment.removal == nil { setFailing(segment.name, nil) }
        tell(segment)
    }

    func fail(_ segment: KeptSegment, _ failure: KeepFailure) {
        inbox.told.withLock { $0.failures += 1 }
        segment.fail(failure, intervalMilliseconds: settings.intervalMilliseconds)
        setFailing(
            segment.name,
            "'\(segment.name)' cannot be kept on disk: \(failure.detail). Until that works again, text is in memory only"
        )
        tell(segment)
    }

    /// Reports an outage when it begins and when it ends, however many segments it concerns.
    ///
    /// - Parameter outage: what cannot be done; nil if it was done.
    func setFailing(_ name: String, _ outage: String?) {
        let hadOutage = !failing.isEmpty
        if let outage {
            failing.insert(name)
            if !hadOutage { settings.report(outage) }
        } else if failing.remove(name) != nil, failing.isEmpty {
            settings.report("text is kept on disk again")
        }
    }

    /// Tells other threads how a segment is, after something was done for it.
    func tell(_ segment: KeptSegment) {
        pending[segment.name] = segment.due == .max ? nil : segment
        let published = segment.published
        inbox.told.withLock { $0.published[segment.name] = published }
    }
}
