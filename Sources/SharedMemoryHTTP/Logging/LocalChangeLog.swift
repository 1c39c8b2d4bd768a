import LinuxSystem
import Logging
import SharedMemory
import Synchronization

/// Logs the changes that other processes make to the segments that the server is attached to.
///
/// Its thread sleeps until there is a change. Of several changes of a segment within a tenth of a second, it logs the last,
/// and how many there were.
final class LocalChangeLog: Sendable {
    private let log: ServerLog
    private let state = Mutex<[String: Followed]>([:])
    private let news: News
    /// Retains the log until it is stopped.
    private let loop = Mutex<BackgroundLoop?>(nil)

    /// What the core's threads use to report a change: they must not hold the log, which holds the segments.
    private final class News: Sendable {
        let names = Mutex<Set<String>>([])
        let signal: EventDescriptor

        init() throws(SystemError) { signal = try EventDescriptor() }

        func announce(_ name: String) {
            names.withLock { _ = $0.insert(name) }
            signal.signal()
        }
    }

    private struct Followed {
        let segment: Segment
        var version: Version
    }

    init(_ log: ServerLog) throws(SystemError) {
        self.log = log
        news = try News()
    }

    /// Begins to log; ``stop()`` must follow.
    func start() throws(SystemError) {
        let started = try BackgroundLoop(named: "sharedmem log") { [self] end in
            guard news.signal.wait(orUntil: end) else { return false }
            for name in news.names.withLock({ names in
                defer { names = [] }
                return names
            }) { look(at: name) }
            // Whatever follows at once is logged with the next line.
            return !end.wait(timeoutMilliseconds: 100)
        }
        loop.withLock { $0 = started }
    }

    func stop() {
        loop.withLock { $0 }?.stop()
        state.withLock { $0 = [:] }
    }

    /// Begins to follow a segment, in place of one of the same name.
    func follow(_ name: String, _ segment: Segment) {
        guard log.logger.logLevel <= .info, let version = try? segment.version else { return }
        state.withLock { $0[name] = Followed(segment: segment, version: version) }
        news.announce(name)
    }

    func leave(_ name: String) { state.withLock { _ = $0.removeValue(forKey: name) } }

    private func look(at name: String) {
        guard let followed = state.withLock({ $0[name] }), let (info, setter) = try? followed.segment.publication()
        else { return }
        let changes = info.version.number - min(followed.version.number, info.version.number)
        state.withLock { $0[name]?.version = info.version }
        // What this process has set is logged with the request.
        if changes > 0, let setter, setter.processID != Int(Host.processID) {
            log.setLocally(name, info, setter, changes: changes)
        }
        let announce: @Sendable () -> Void = { [news] in news.announce(name) }
        do throws(SegmentError) {
            if try followed.segment.onReplacementPatiently(of: info.version, announce) == nil { news.announce(name) }
        } catch {
            leave(name)
        }
        // Nothing comes after a segment that was unlinked.
        if (try? followed.segment.hasName) == false { leave(name) }
    }
}
