import LinuxSystem
import SharedMemory
import Synchronization

/// What the keeper's thread does: looks at the segments that may have changed, writes those that are due, and synchronizes
/// the directory once for all of them.
///
/// `@unchecked`: only the keeper's thread uses it.
final class KeeperLoop: @unchecked Sendable {
    private let storage: DiskStorage
    private let settings: Keeper.Settings
    private let inbox: KeeperInbox
    private var segments: [String: KeptSegment] = [:]
    /// The segments whose newest version could not be written to disk.
    private var failing: Set<String> = []
    private var isReleased = false

    init(_ storage: DiskStorage, _ settings: Keeper.Settings, _ inbox: KeeperInbox) {
        (self.storage, self.settings, self.inbox) = (storage, settings, inbox)
    }

    func run() {
        while true {
            inbox.wakeUp.wait(timeoutMilliseconds: timeoutMilliseconds)
            let news = inbox.take()
            take(news)
            keep(all: false)
            for reading in news.readings { read(reading) }
            for removal in news.removals {
                remove(removal.name, removal.deletesFiles)
                removal.call()
            }
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
        let next = segments.values.map(\.due).min() ?? .max
        return next == .max ? -1 : CInt(clamping: max(0, next - Clock.coarseMilliseconds))
    }

    private func take(_ news: KeeperInbox.News) {
        for segment in news.arrivals {
            segments[segment.name] = segment
            publish(segment)
        }
        for name in news.changed { segments[name]?.isStale = true }
        for (name, waiter) in news.waiters {
            guard let segment = segments[name] else {
                waiter.call(.notKept(reason: "the segment is no longer served"))
                continue
            }
            segment.waiters.append(waiter)
            segment.isStale = true
        }
    }

    private func read(_ reading: KeepReading) {
        guard let segment = segments[reading.name] else { return reading.missing() }
        segment.read(reading, report: settings.report)
        publish(segment)
    }

    private func remove(_ name: String, _ deletesFiles: Bool) {
        guard let segment = segments[name] else { return }
        if !deletesFiles {
            segment.isStale = true
            keep(all: true)
        }
        segment.answerAll(.notKept(reason: "the segment is no longer served"))
        segment.leave(deletesFiles: deletesFiles)
        segments[name] = nil
        setFailing(name, nil)
        inbox.news.withLock { $0.published[name] = nil }
    }

    private func end() {
        for segment in segments.values { segment.leave(deletesFiles: false) }
        segments = [:]
    }
}

// MARK: Keeping

extension KeeperLoop {
    /// Writes what is due to disk, or everything that is not there.
    private func keep(all: Bool) {
        let now = Clock.coarseMilliseconds
        for segment in segments.values where all || segment.due <= now { look(segment) }
        let due = segments.values.filter { $0.changedAt != nil && (all || $0.due <= now) }
        var published: [KeptSegment] = []
        for segment in due {
            do throws(KeepFailure) {
                try segment.publish(storage, intervalMilliseconds: settings.intervalMilliseconds)
                published.append(segment)
            } catch {
                fail(segment, error)
            }
        }
        guard !published.isEmpty else { return }
        do throws(SystemError) {
            try storage.synchronize()
            for segment in published { succeed(segment) }
        } catch {
            for segment in published { fail(segment, KeepFailure(error)) }
        }
    }

    private func look(_ segment: KeptSegment) {
        segment.look { [inbox, name = segment.name] in inbox.deliver { _ = $0.changed.insert(name) } }
        if segment.changedAt == nil { setFailing(segment.name, nil) }
        publish(segment)
    }

    private func succeed(_ segment: KeptSegment) {
        segment.succeed()
        setFailing(segment.name, nil)
        publish(segment)
    }

    private func fail(_ segment: KeptSegment, _ failure: KeepFailure) {
        inbox.news.withLock { $0.failures += 1 }
        segment.fail(failure, intervalMilliseconds: settings.intervalMilliseconds)
        setFailing(segment.name, failure)
        publish(segment)
    }

    /// Reports an outage when it begins and when it ends, however many segments it concerns.
    private func setFailing(_ name: String, _ failure: KeepFailure?) {
        let hadOutage = !failing.isEmpty
        if let failure {
            failing.insert(name)
            guard !hadOutage else { return }
            settings.report(
                "'\(name)' cannot be kept on disk: \(failure.detail). Until that works again, text is in memory only")
        } else if failing.remove(name) != nil, failing.isEmpty {
            settings.report("text is kept on disk again")
        }
    }

    private func publish(_ segment: KeptSegment) {
        let published = segment.published
        inbox.news.withLock { $0.published[segment.name] = published }
    }
}
