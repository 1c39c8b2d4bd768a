import Foundation
import LinuxSystem
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// Waiters and publishers that are stopped and killed, and many waiters in one process.
@Suite("Waiting with killed processes and crowds", .fewAtATime)
struct WaitingKilledTests: WaitingSegmentTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    // MARK: Publishers

    static let beforeWaking: [PausePoint] = [.setPublished, .setUnclaimed]

    @Test(
        "If a publisher is killed between publishing and waking, a hundred waiters get its text all the same",
        arguments: beforeWaking)
    func publisherKilled(_ step: PausePoint) async throws {
        // Five times twenty, half of whom may not say that they wait, and some tasks.
        let writer = try Segment.attach(name, AttachmentOptions(directory: directory.path, mode: 0o644))
        for round in 0..<5 {
            let version = try writer.set("\(round)")
            let segments = try (0..<20).map { try attach($0 % 2 == 0 ? .readWrite : .readOnly) }
            let waiters = segments.map { segment in InThread { try segment.wait(after: version) } }
            let followers = segments.prefix(4).map { Follower($0) }
            for follower in followers { try await follower.sees(version) }
            try await aThreadWaits()
            let publisher = try await probe(stoppedAt: step, .set("from the dead"))
            publisher.kill()
            _ = try await publisher.finish()
            let next = Version(instance: version.instance, number: version.number + 1)
            for waiter in waiters { #expect(try await waiter.value() == next) }
            for follower in followers {
                try await follower.sees(next)
                try await follower.end()
            }
            #expect(try segments[0].get() == "from the dead")
        }
    }

    @Test(
        "While a publisher is stopped between publishing and waking, other publishers wake waiters at once",
        arguments: beforeWaking)
    func publisherStopped(_ step: PausePoint) async throws {
        let writer = try attach()
        let watchers = try ProbeCommand.WatchMethod.allCases.map { try probe(.watch(.readWrite, $0)) }
        for watcher in watchers { _ = try await watcher.line(beginning: "saw ") }
        try await aThreadWaits()
        let publisher = try await probe(stoppedAt: step, .set("not announced"))
        try await expectQuick(10) { round in
            try await aThreadWaits()
            let start = ContinuousClock.now
            let version = try writer.set("\(round)")
            for watcher in watchers { _ = try await watcher.line(beginning: "saw \(version)") }
            return ContinuousClock.now - start
        }
        publisher.send(SIGCONT)
        #expect(try await publisher.finish().status == 0)
        // Late, it says no more than it may.
        let version = try writer.set("after")
        for watcher in watchers { _ = try await watcher.line(beginning: "saw \(version)") }
        for watcher in watchers { watcher.kill() }
    }

    @Test(
        "A waiter that fell asleep before a stopped publisher goes on is woken by it, and does not wait for its next look"
    )
    func publisherGoesOn() async throws {
        let segment = try attach()
        try await expectQuick(5) { round in
            let version = try segment.version
            let publisher = try await probe(stoppedAt: .setNumbered, .set("\(round)"))
            let waiter = InThread { try segment.wait(after: version) }
            try await aThreadWaits()
            try await Task.sleep(for: .milliseconds(20))
            let start = ContinuousClock.now
            publisher.send(SIGCONT)
            #expect(try await waiter.value()?.number == version.number + 1)
            let delay = ContinuousClock.now - start
            #expect(try await publisher.finish().status == 0)
            return delay
        }
    }

    // MARK: Waiters

    @Test(
        "A hundred waiters that are killed while they sleep or fall asleep cost one wake, and later sets cost none"
    )
    func waitersKilled() async throws {
        let segment = try attach()
        try segment.set("before")
        let kinds = [ProbeCommand.Access.readWrite, .readOnly].flatMap { access in
            ProbeCommand.WatchMethod.allCases.flatMap { method in [false, true].map { (access, method, $0) } }
        }
        for _ in 0..<4 {
            let waiters = try await withThrowingTaskGroup(of: ChildProcess.self) { group in
                for index in 0..<26 {
                    let (access, method, isAsleep) = kinds[index % kinds.count]
                    group.addTask {
                        guard isAsleep else {
                            return try await probe(stoppedAt: .waitAnnounced, .watch(access, method))
                        }
                        let child = try probe(.watch(access, method))
                        _ = try await child.line(beginning: "saw ")
                        return child
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            try await aThreadWaits()
            waiters.forEach { $0.kill() }
            for waiter in waiters { #expect(try await waiter.finish().wasKilled) }
        }
        #expect(try Segment.info(name, directory: directory.path).attached.count == 1)
        #expect(try (awaited, woken) == (2, 0))
        for _ in 0..<10 { try segment.set("after") }
        #expect(try (awaited, woken) == (2, 2))
        try expectNothingLeft()
        #expect(try directory.names == ["text.sharedmem"])
    }

    @Test(
        "A waiter that is stopped while it falls asleep misses no text that is set meanwhile",
        arguments: ProbeCommand.WatchMethod.allCases)
    func waiterGoesOn(_ method: ProbeCommand.WatchMethod) async throws {
        let segment = try attach()
        let waiter = try await probe(stoppedAt: .waitAnnounced, .watch(.readWrite, method))
        var last = try segment.version
        for round in 0..<300 { last = try segment.set("\(round)") }
        waiter.send(SIGCONT)
        _ = try await waiter.line(beginning: "saw \(last)")
        waiter.kill()
        #expect(try await waiter.finish().text.split(separator: "\n").count == 2)
    }

    @Test(
        "A waiter that is overtaken while it falls asleep does not sleep", arguments: ProbeCommand.WatchMethod.allCases)
    func waiterDoesNotSleep(_ method: ProbeCommand.WatchMethod) async throws {
        let segment = try attach()
        try await expectQuick(5) { round in
            let waiter = try await probe(stoppedAt: .waitAnnounced, .watch(.readWrite, method))
            let version = try segment.set("\(round)")
            let start = ContinuousClock.now
            waiter.send(SIGCONT)
            _ = try await waiter.line(beginning: "saw \(version)")
            let delay = ContinuousClock.now - start
            waiter.kill()
            _ = try await waiter.finish()
            return delay
        }
    }

    // MARK: Many in one process

    @Test("A set wakes all threads and tasks of a process, with one thread for all tasks", arguments: [2, 50])
    func crowd(_ count: Int) async throws {
        let segment = try attach()
        let child = try probe(.crowd(count: count))
        _ = try await child.line(beginning: "library threads for tasks")
        try segment.set("x")
        let result = try await child.finish()
        #expect(
            result.text == """
                library threads for threads: 0
                library threads for tasks: 1
                all heard
                the thread is gone

                """)
    }

    @Test("Following, cancelling and detaching a thousand times leaves nothing behind")
    func comeAndGo() async throws {
        let result = try await probe(.comeAndGo(rounds: 1000)).finish(within: 120)
        #expect(result.text == "descriptors 0, thread and file gone\n", "\(result)")
    }

    @Test("Detaching ends the library's thread and the segment, even from that thread itself")
    func drop() async throws {
        let result = try await probe(.drop(rounds: 100)).finish(within: 120)
        #expect(result.text == "done\n", "\(result)")
    }
}
