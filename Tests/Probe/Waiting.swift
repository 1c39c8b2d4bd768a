// Processes that wait for a change, to be woken, signalled, unlinked under, or killed.

import Foundation
import SharedMemory
import Synchronization
import TestSupport

extension Probe {
    /// Waits once, and says how that ended: `probe … wait readWrite|readOnly SECONDS [interruptibly]`.
    static func wait() throws {
        let segment = try Segment.attach(name, options(accessAsked))
        let version = try segment.version
        let timeout = Duration.seconds(Double(argument(1)) ?? 30)
        say("waiting after \(version)")
        do throws(SegmentError) {
            if argument(2) == "interruptibly" {
                say("ended \(try segment.waitInterruptibly(after: version, timeout: timeout))")
            } else {
                say("got \(try segment.wait(after: version, timeout: timeout)?.description ?? "nothing")")
            }
        } catch {
            say("failed \(error)")
        }
    }

    /// Says each version it is told of, until it is killed or fails: `probe … watch readWrite|readOnly wait|changes`.
    static func watch() throws {
        let segment = try Segment.attach(name, options(accessAsked))
        if argument(1) == "changes" {
            inTask { for try await snapshot in segment.changes { say("saw \(snapshot.version)") } }
        } else {
            var version = try segment.version
            say("saw \(version)")
            while let next = try segment.wait(after: version) {
                say("saw \(next)")
                version = next
            }
        }
    }

    private static var accessAsked: Access { argument(0) == "readOnly" ? .readOnly : .readWrite }

    private static func inTask(_ body: @escaping @Sendable () async throws -> Void) {
        let isDone = DispatchSemaphore(value: 0)
        Task {
            do {
                try await body()
            } catch {
                say("failed \(error)")
            }
            isDone.signal()
        }
        isDone.wait()
    }

    // MARK: Signals

    private static let signalCount = Atomic<Int>(0)

    /// A handler without SA_RESTART, so that a call is interrupted.
    private static func countSignals(_ number: CInt) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in Probe.signalCount.add(1, ordering: .relaxed) }
        sigaction(number, &action, nil)
    }

    /// As `wait`, with a signal every 2 ms.
    static func waitUnderSignals() throws {
        countSignals(SIGALRM)
        var interval = itimerval()
        interval.it_value.tv_usec = 2000
        interval.it_interval = interval.it_value
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &interval, nil)
        try wait()
        say("signals \(signalCount.load(ordering: .relaxed))")
    }

    /// Sends itself signals that no thread but the library's could take; says how many were handled.
    static func signalsElsewhere() throws {
        let segment = try Segment.attach(name, options())
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let mine = [SIGUSR1, SIGTERM, SIGCHLD, SIGALRM, SIGURG]
        mine.forEach { countSignals($0) }
        // This one blocks them as well.
        let before = libraryThreadCount
        let id = try segment.onReplacement(of: segment.version) {}
        for _ in 0..<100 { mine.forEach { kill(getpid(), $0) } }
        usleep(100_000)
        say("threads \(libraryThreadCount - before), handled \(signalCount.load(ordering: .relaxed))")
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        say("handled then \(signalCount.load(ordering: .relaxed))")
        id.map(segment.cancel)
    }

    // MARK: Threads

    private static func count(in directory: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: directory).count) ?? 0
    }

    /// Threads that block this signal, as only the library's own do, from their first moment.
    private static var libraryThreadCount: Int {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return tasks.count { task in
            let status = (try? String(contentsOfFile: "/proc/self/task/\(task)/status", encoding: .utf8)) ?? ""
            let line = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") }
            let blocked = line.flatMap { UInt64($0.split(separator: "\t")[1], radix: 16) } ?? 0
            return blocked >> (SIGPIPE - 1) & 1 == 1
        }
    }

    private static func eventually(_ isSo: () -> Bool) -> Bool {
        for _ in 0..<10_000 {
            if isSo() { return true }
            usleep(1000)
        }
        return false
    }

    /// So many threads in `wait`, and so many tasks in `changes`, until all have heard of a set: `probe … crowd COUNT`.
    static func crowd() throws {
        let segment = try Segment.attach(name, options())
        let count = Int(argument(0)) ?? 1
        let version = try segment.version
        let begun = DispatchGroup()
        let heard = DispatchGroup()
        for _ in 0..<count {
            begun.enter()
            heard.enter()
            Thread.detachNewThread {
                begun.leave()
                if let next = try? segment.wait(after: version, timeout: .seconds(50)), next != version {
                    heard.leave()
                }
            }
        }
        begun.wait()
        usleep(20_000)
        say("library threads for threads: \(libraryThreadCount)")
        for _ in 0..<count {
            begun.enter()
            heard.enter()
            Task {
                for try await snapshot in segment.changes {
                    if snapshot.version != version { break }
                    begun.leave()
                }
                heard.leave()
            }
        }
        begun.wait()
        usleep(20_000)
        say("library threads for tasks: \(libraryThreadCount)")
        say(heard.wait(timeout: .now() + 30) == .success ? "all heard" : "some did not hear")
        say(eventually { libraryThreadCount == 0 } ? "the thread is gone" : "the thread is still there")
        extendLifetime(segment)
    }

    /// Begins to follow the segment, gives up and detaches, again and again: `probe … come-and-go ROUNDS`.
    static func comeAndGo() throws {
        let file = "\(arguments[1])/\(name).sharedmem"
        func round(_ index: Int) throws {
            let segment = try Segment.attach(name, options())
            let isBegun = DispatchSemaphore(value: 0)
            let isDone = DispatchSemaphore(value: 0)
            let task = Task {
                for try await _ in segment.changes { isBegun.signal() }
                isDone.signal()
            }
            isBegun.wait()
            // As it registers, and when it has.
            if index % 3 == 0 { usleep(UInt32(index % 200)) }
            task.cancel()
            guard isDone.wait(timeout: .now() + 30) == .success else { return say("a cancelled task goes on") }
        }
        try round(0)
        guard eventually({ libraryThreadCount == 0 && access(file, F_OK) != 0 }) else { return say("left behind") }
        let descriptors = count(in: "/proc/self/fd")
        for index in 0..<(Int(argument(0)) ?? 1) { try round(index) }
        // The task's own reference goes a moment later.
        let isGone = eventually { libraryThreadCount == 0 && access(file, F_OK) != 0 }
        say(
            "descriptors \(count(in: "/proc/self/fd") - descriptors), \(isGone ? "thread and file gone" : "left behind")"
        )
    }

    /// Drops the last reference to a segment while the library's thread waits, and then from a call of that thread's:
    /// `probe … drop ROUNDS`.
    static func drop() throws {
        let file = "\(arguments[1])/\(name).sharedmem"
        for _ in 0..<(Int(argument(0)) ?? 1) {
            var segment: Segment? = try Segment.attach(name, options())
            if let segment { _ = try segment.onReplacement(of: segment.version) {} }
            guard libraryThreadCount == 1 else { return say("\(libraryThreadCount) threads") }
            // Until it sleeps.
            usleep(2000)
            segment = nil
            guard access(file, F_OK) != 0 else { return say("still there after the last reference was dropped") }
            guard eventually({ libraryThreadCount == 0 }) else { return say("a thread is left") }
        }
        for _ in 0..<(Int(argument(0)) ?? 1) {
            let other = try Segment.attach(name, options())
            let last = LastReference(try Segment.attach(name, options()))
            try last.dropWhenReplaced()
            try other.set("x")
            guard eventually({ libraryThreadCount == 0 }) else { return say("a thread is left after its own call") }
            guard try Segment.info(name, directory: arguments[1]).attached.count == 1 else { return say("attached") }
        }
        say(access(file, F_OK) == 0 ? "still there" : "done")
    }

    private final class LastReference: Sendable {
        private let segment: Mutex<Segment?>

        init(_ segment: Segment) { self.segment = Mutex(segment) }

        func dropWhenReplaced() throws {
            guard let segment = segment.withLock(\.self) else { return }
            _ = try segment.onReplacement(of: segment.version) { [self] in _ = self.segment.withLock { $0.take() } }
        }
    }
}
