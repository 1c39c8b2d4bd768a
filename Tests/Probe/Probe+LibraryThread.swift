import Foundation
import SharedMemory
import Synchronization
import TestSupport

// When the library's own thread, which waits on behalf of tasks, starts and ends.

extension Probe {
    func crowd(_ count: Int) throws {
        let segment = try attach()
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
        Self.say("library threads for threads: \(LibraryThreads.count)")
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
        Self.say("library threads for tasks: \(LibraryThreads.count)")
        Self.say(heard.wait(timeout: .now() + 30) == .success ? "all heard" : "some did not hear")
        Self.say(LibraryThreads.end() ? "the thread is gone" : "the thread is still there")
        extendLifetime(segment)
    }

    func comeAndGo(_ rounds: Int) throws {
        guard try comeAndGo(atRound: 0) else { return Self.say("a cancelled task goes on") }
        guard isGone else { return Self.say("left behind") }
        let before = Self.descriptorCount
        for round in 0..<rounds {
            guard try comeAndGo(atRound: round) else { return Self.say("a cancelled task goes on") }
        }
        // The task gives up its own reference a moment later.
        let end = isGone ? "thread and file gone" : "left behind"
        Self.say("descriptors \(Self.descriptorCount - before), \(end)")
    }

    /// Follows the segment in a task, cancels it, and returns whether it has ended.
    private func comeAndGo(atRound round: Int) throws -> Bool {
        let segment = try attach()
        let isBegun = DispatchSemaphore(value: 0)
        let isDone = DispatchSemaphore(value: 0)
        let task = Task {
            for try await _ in segment.changes { isBegun.signal() }
            isDone.signal()
        }
        isBegun.wait()
        // Cancel while the task registers, and after it has.
        if round % 3 == 0 { usleep(UInt32(round % 200)) }
        task.cancel()
        return isDone.wait(timeout: .now() + 30) == .success
    }

    private var isGone: Bool { Self.eventually { LibraryThreads.count == 0 && !hasFile } }

    private var hasFile: Bool { access(path, F_OK) == 0 }

    private static var descriptorCount: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    }

    func drop(_ rounds: Int) throws {
        for _ in 0..<rounds {
            var segment: Segment? = try attach()
            if let segment { _ = try segment.onReplacement(of: segment.version) {} }
            guard LibraryThreads.count == 1 else { return Self.say("\(LibraryThreads.count) threads") }
            // Until it sleeps.
            usleep(2000)
            segment = nil
            guard !hasFile else { return Self.say("still there after the last reference was dropped") }
            guard LibraryThreads.end() else { return Self.say("a thread is left") }
        }
        for _ in 0..<rounds {
            let other = try attach()
            var options = options()
            options.sharesAttachment = false
            let last = LastReference(try Segment.attach(name, options))
            try last.dropWhenReplaced()
            try other.set("x")
            guard LibraryThreads.end() else { return Self.say("a thread is left after its own call") }
            guard try Segment.info(name, directory: directory).attached.count == 1 else {
                return Self.say("still attached")
            }
        }
        Self.say(hasFile ? "still there" : "done")
    }

    fileprivate static func eventually(_ condition: () -> Bool) -> Bool {
        for _ in 0..<10_000 {
            if condition() { return true }
            usleep(1000)
        }
        return false
    }
}

enum LibraryThreads {
    /// How many threads block SIGPIPE: of this process's threads, only the library's own do, from their first moment.
    static var count: Int {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return tasks.count { task in
            let status = (try? String(contentsOfFile: "/proc/self/task/\(task)/status", encoding: .utf8)) ?? ""
            let line = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") }
            let blocked = line.flatMap { UInt64($0.split(separator: "\t")[1], radix: 16) } ?? 0
            return blocked >> (SIGPIPE - 1) & 1 == 1
        }
    }

    /// Waits, bounded, until there is none.
    static func end() -> Bool { Probe.eventually { count == 0 } }
}

private final class LastReference: Sendable {
    private let segment: Mutex<Segment?>

    init(_ segment: Segment) { self.segment = Mutex(segment) }

    func dropWhenReplaced() throws {
        guard let segment = segment.withLock(\.self) else { return }
        _ = try segment.onReplacement(of: segment.version) { [self] in _ = self.segment.withLock { $0.take() } }
    }
}
