import Foundation
import LinuxSystem
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// Waiting for a change, in threads and in tasks.
@Suite("Waiting", .fewAtATime)
struct WaitingTests: WaitingSegmentTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    // MARK: Being woken

    @Test("A wait returns the version of the text that another process sets", arguments: [Access.readWrite, .readOnly])
    func woken(_ access: Access) async throws {
        let writer = try attach()
        try writer.set("before")
        let segment = try attach(access)
        let before = try segment.version
        let child = try probe(.set("after"))
        let version = try segment.wait(after: before, timeout: .seconds(30))
        #expect(try version == Version(instance: before.instance, number: 2) && segment.get() == "after")
        _ = try await child.finish()
    }

    @Test(
        "A task sees the current text and then each newer one, and ends when it is cancelled",
        arguments: [Access.readWrite, .readOnly])
    func changes(_ access: Access) async throws {
        let writer = try attach()
        try writer.set("0")
        let segment = try attach(access)
        let (seen, isSeen) = AsyncStream.makeStream(of: String.self)
        let task = Task {
            for try await snapshot in segment.changes { isSeen.yield(snapshot.text) }
            isSeen.finish()
        }
        var texts = seen.makeAsyncIterator()
        #expect(await texts.next() == "0")
        for round in 1...20 {
            try writer.set("\(round)")
            #expect(await texts.next() == "\(round)")
        }
        task.cancel()
        #expect(await texts.next() == nil)
        try await task.value
    }

    @Test(
        "Each set wakes all waiters, even those that cannot announce themselves, well before the limit of a second",
        arguments: [(ProbeCommand.Access.readWrite, UInt32(0o600)), (.readOnly, 0o600), (.readOnly, 0o644)],
        ProbeCommand.WatchMethod.allCases)
    func wokenEachTime(
        _ attached: (access: ProbeCommand.Access, mode: UInt32), _ method: ProbeCommand.WatchMethod
    ) async throws {
        let writer = try Segment.attach(name, AttachmentOptions(directory: directory.path, mode: attached.mode))
        let child = try probe(.watch(attached.access, method))
        try await expectWokenEachTime(child, by: writer)
        child.kill()
        _ = try await child.finish()
    }

    @Test(
        "A waiter without permission to write the file is woken too", .enabled(if: geteuid() == 0),
        arguments: ProbeCommand.WatchMethod.allCases
    )
    func wokenStranger(_ method: ProbeCommand.WatchMethod) async throws {
        #expect(chmod(directory.path, 0o755) == 0)
        let writer = try Segment.attach(name, AttachmentOptions(directory: directory.path, mode: 0o644))
        let stranger = ["--reuid", "12345", "--regid", "12345", "--clear-groups", ProbeCommand.executable]
        let refused = try await ChildProcess.run(
            "setpriv", stranger + ProbeCommand.set("x").arguments(directory.path, name))
        #expect(refused.errors.contains("Permission denied"), "\(refused)")
        let child = try ChildProcess(
            "setpriv", stranger + ProbeCommand.watch(.readOnly, method).arguments(directory.path, name))
        try await expectWokenEachTime(child, by: writer)
        child.kill()
        _ = try await child.finish()
    }

    // MARK: Times and versions

    @Test(
        "A timeout of zero or less only checks the version",
        arguments: [Duration.zero, .nanoseconds(-1), .seconds(-1), .seconds(Int64.min)])
    func onlyLooks(_ timeout: Duration) throws {
        let segment = try attach()
        let empty = try segment.version
        #expect(try segment.wait(after: empty, timeout: timeout) == nil)
        let version = try segment.set("x")
        #expect(try segment.wait(after: empty, timeout: timeout) == version)
        #expect(try segment.wait(after: version, timeout: timeout) == nil)
        #expect(try awaited == 0, "no thread slept")
    }

    @Test("A wait that times out returns no version", arguments: [Access.readWrite, .readOnly])
    func timeIsUp(_ access: Access) throws {
        let writer = try attach()
        let version = try writer.set("x")
        let segment = try attach(access)
        for milliseconds in [1, 50, 1200] {
            let start = ContinuousClock.now
            #expect(try segment.wait(after: version, timeout: .milliseconds(milliseconds)) == nil)
            #expect(ContinuousClock.now - start >= .milliseconds(milliseconds))
        }
        #expect(try segment.snapshot().text == "x" && segment.version == version)
    }

    @Test(
        "Without a timeout, or with a very long one, a wait lasts until the text is set",
        arguments: [
            nil, .seconds(Int64.max), .seconds(1 << 32),
            Duration(secondsComponent: .max, attosecondsComponent: 999_999_999_999_999_999),
        ])
    func waitsForAges(_ timeout: Duration?) async throws {
        let segment = try attach()
        let version = try segment.version
        let waiter = InThread { try segment.wait(after: version, timeout: timeout) }
        try await aThreadWaits()
        #expect(!waiter.isDone)
        let next = try segment.set("x")
        #expect(try await waiter.value() == next)
    }

    @Test("A wait after a version of another instance, or after a later number, returns the current version at once")
    func otherVersion() throws {
        let segment = try attach()
        let version = try segment.set("x")
        let others = [
            Version(instance: version.instance ^ 1, number: version.number), Version(instance: 0, number: 0),
            Version(instance: version.instance, number: 7), Version(instance: version.instance, number: .max),
        ]
        for other in others { #expect(try segment.wait(after: other) == version) }
        #expect(try awaited == 0, "no thread slept")
    }

    @Test(
        "A waiter on a segment that was never set is woken by the first set", arguments: [Access.readWrite, .readOnly])
    func firstSet(_ access: Access) async throws {
        let writer = try attach()
        let segment = try attach(access)
        let empty = try segment.version
        #expect(empty.number == 0)
        let waiter = InThread { try segment.wait(after: empty) }
        var texts = segment.changes.makeAsyncIterator()
        #expect(try await texts.next()?.text == "")
        let first = try writer.set("first")
        #expect(try await waiter.value() == first)
        #expect(try await texts.next()?.text == "first")
    }

    // MARK: The cost for writers

    @Test("Sets without waiters wake no thread, and a waiter that gave up costs one wake")
    func wakesInVain() throws {
        let segment = try attach()
        for round in 0..<100 { try segment.set("\(round)") }
        #expect(try (awaited, woken) == (0, 0))
        let version = try segment.version
        #expect(try segment.wait(after: version, timeout: .milliseconds(20)) == nil)
        #expect(try (awaited, woken) == (101, 0))
        for round in 0..<100 { try segment.set("\(round)") }
        // Each wake says so here: the first set's was the only one.
        #expect(try (awaited, woken) == (101, 101))
    }

    // MARK: Cancelling

    @Test("A cancelled task ends at once, not after the limit of a second")
    func cancelled() async throws {
        let segment = try attach()
        try await expectQuick(25) { round in
            let follower = Follower(segment)
            try await follower.sees(try segment.version)
            if round % 2 == 0 { try await aThreadWaits() }
            let start = ContinuousClock.now
            try await follower.end()
            return ContinuousClock.now - start
        }
    }

    @Test("A task that is cancelled before it asks sees no text")
    func cancelledBefore() async throws {
        let segment = try attach()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            var count = 0
            for try await _ in segment.changes { count += 1 }
            return count
        }
        #expect(try await task.value == 0)
    }

    @Test("A task that is cancelled at any moment ends")
    func cancelledAtAnyMoment() async throws {
        let segment = try attach()
        for round in 0..<500 {
            let follower = Follower(segment)
            for _ in 0..<round { await Task.yield() }
            try await follower.end()
        }
    }

    @Test("Cancelling one task leaves the others waiting")
    func othersGoOn() async throws {
        let segment = try attach()
        let followers = (0..<3).map { _ in Follower(segment) }
        for follower in followers { try await follower.sees(try segment.version) }
        try await followers[1].end()
        let version = try segment.set("x")
        for follower in [followers[0], followers[2]] { try await follower.sees(version) }
        #expect(followers[1].versions.count == 1)
        for follower in [followers[0], followers[2]] { try await follower.end() }
    }

    private final class Calls: Sendable { let names = Mutex<[String]>([]) }

    @Test("A cancelled callback is not called, but another one is")
    func callbackCancelled() async throws {
        let segment = try attach()
        let calls = Calls()
        for round in ["first", "second"] {
            let version = try segment.version
            let undone = try #require(
                try segment.onReplacement(of: version) { calls.names.withLock { $0.append("undone") } })
            _ = try segment.onReplacement(of: version) { calls.names.withLock { $0.append(round) } }
            segment.cancel(undone)
            try segment.set(round)
            // Those of one set are called together: with the second's, the first's have all been.
            try await eventually("the \(round) call") { calls.names.withLock { $0.contains(round) } ? () : nil }
        }
        #expect(calls.names.withLock(\.self) == ["first", "second"])
    }

    @Test("A callback that must see a silent removal does, even beside one that lets the thread sleep")
    func patience() async throws {
        let segment = try attach()
        let calls = Calls()
        let version = try segment.version
        _ = try segment.onReplacementPatiently(of: version) { calls.names.withLock { $0.append("patient") } }
        // Whether the thread sleeps by then makes no difference, unless there is a fault.
        usleep(20_000)
        _ = try segment.onReplacement(of: version) { calls.names.withLock { $0.append("other") } }
        try FileManager.default.removeItem(atPath: segment.path)
        try await eventually("the calls") { calls.names.withLock { Set($0) == ["patient", "other"] ? () : nil } }
    }

    @Test("A callback that lets the thread sleep needs write access, without which nothing would wake it")
    func patienceNeedsWriteAccess() throws {
        let writer = try attach()
        let reader = try attach(.readOnly)
        #expect(throws: SegmentError.readOnly(name: writer.name)) {
            try reader.onReplacementPatiently(of: writer.version) {}
        }
    }

    // MARK: Coalescing

    @Test("A slow reader gets the newest text once", arguments: [Access.readWrite, .readOnly])
    func slowReader(_ access: Access) async throws {
        let writer = try attach()
        var texts = try attach(access).changes.makeAsyncIterator()
        #expect(try await texts.next()?.text == "")
        for round in 1...20 {
            for step in 0..<10 { try writer.set("\(round) \(step)") }
            let snapshot = try await texts.next()
            #expect(snapshot?.text == "\(round) 9" && snapshot?.version.number == UInt64(10 * round))
        }
    }

    @Test("With many writers, waiting readers see whole texts in order, no old one, and the last one in the end")
    func manyWriters() async throws {
        let segments = try [attach(), attach(), attach(.readOnly), attach(.readOnly)]
        let writers = try (0..<4).map { try probe(.write(seconds: 2, maximumByteCount: 60000, seed: $0)) }
        for writer in writers { _ = try await writer.line(beginning: "attached") }
        let followers = segments.map { Follower($0) } + [Follower(segments[0], delay: .milliseconds(20))]
        let watchers = segments.map { Watcher($0) }
        for writer in writers { try writer.write(Data("\n".utf8)) }
        for writer in writers { #expect(try await writer.finish().status == 0) }
        let last = try segments[0].version
        for follower in followers {
            try await follower.sees(last)
            try await follower.end()
            #expect(follower.faults == [])
        }
        var count = 0
        for watcher in watchers {
            let sightings = try await watcher.end(at: last)
            #expect(sightings.faults == [])
            count += sightings.versions.count
        }
        #expect(count > 20, "they were there while others wrote")
    }

    // MARK: Signals

    @Test("A wait goes on after signals and returns the new version")
    func goesOnAfterSignals() async throws {
        let segment = try attach()
        let child = try probe(.waitUnderSignals(.readWrite, seconds: 30))
        _ = try await child.line(beginning: "waiting")
        _ = try await child.line(beginning: "signalled")
        let version = try segment.set("x")
        let result = try await child.finish()
        #expect(result.text.contains("\ngot \(version)\n"), "\(result)")
        let count = result.text.split(separator: " ").last.flatMap { Int($0.dropLast()) } ?? 0
        #expect(count > 1, "signals came while it waited")
    }

    @Test("Signals do not prolong a wait's timeout")
    func timeIsUpUnderSignals() async throws {
        let segment = try attach()
        let result = try await probe(.waitUnderSignals(.readWrite, seconds: 0.2)).finish()
        #expect(result.text.contains("\ngot nothing\n"), "\(result)")
        extendLifetime(segment)
    }

    @Test("An interruptible wait ends with the first signal")
    func interrupted() async throws {
        let segment = try attach()
        let result = try await probe(.waitUnderSignals(.readWrite, seconds: 30, .interruptibly)).finish()
        #expect(result.text.contains("\nended interrupted\n"), "\(result)")
        extendLifetime(segment)
    }

    @Test("The library's thread handles none of the process's signals")
    func signalsElsewhere() async throws {
        let result = try await probe(.signalsElsewhere).finish()
        #expect(result.text.hasPrefix("threads 1, handled 0\nhandled then 5\n"), "\(result)")
    }

    // MARK: Unlinking

    @Test("A waiter learns that the segment was unlinked")
    func unlinked() async throws {
        let segment = try attach()
        let before = try segment.version
        let child = try probe(.unlink)
        #expect(throws: SegmentError.unlinked(name: name)) { try segment.wait(after: before, timeout: .seconds(30)) }
        #expect(try await child.finish().status == 0)
        await #expect(throws: SegmentError.unlinked(name: name)) {
            for try await snapshot in segment.changes { #expect(snapshot.version == before) }
        }
    }

    enum Removal: CaseIterable { case unlinked, replaced, removed, removedAndReplaced }

    func remove(_ how: Removal) throws -> Segment? {
        if how == .unlinked || how == .replaced {
            try Segment.unlink(name, directory: directory.path)
        } else {
            #expect(unlink(path) == 0)
        }
        return how == .replaced || how == .removedAndReplaced ? try attach() : nil
    }

    @Test(
        "Waiting in threads and tasks ends when the segment is unlinked or removed, even if another one takes its name",
        arguments: Removal.allCases, [Access.readWrite, .readOnly])
    func removedUnderWaiters(_ how: Removal, _ access: Access) async throws {
        let writer = try attach()
        let segment = try attach(access)
        let version = try writer.set("x")
        let waiter = InThread { try segment.wait(after: version) }
        let follower = Follower(segment)
        try await follower.sees(version)
        // One that only reads cannot say that it waits.
        if access == .readWrite { try await aThreadWaits() }
        let other = try remove(how)
        try other?.set("of the other")
        await #expect(throws: SegmentError.unlinked(name: name)) { try await waiter.value() }
        await #expect(throws: SegmentError.unlinked(name: name)) { try await follower.value() }
        #expect(follower.versions == [version])
    }

    @Test("Unlinking wakes waiters before their next look at the name")
    func unlinkingWakes() async throws {
        try await expectQuick(5) { _ in
            let segment = try attach()
            let version = try segment.version
            let waiter = InThread { try segment.wait(after: version) }
            try await aThreadWaits()
            try await Task.sleep(for: .milliseconds(20))
            let start = ContinuousClock.now
            try Segment.unlink(name, directory: directory.path)
            await #expect(throws: SegmentError.unlinked(name: name)) { try await waiter.value() }
            return ContinuousClock.now - start
        }
    }

    @Test("Waiting on a segment that is already unlinked ends at once", arguments: Removal.allCases)
    func removedBefore(_ how: Removal) async throws {
        let segment = try attach()
        let version = try segment.set("x")
        let other = try remove(how)
        #expect(throws: SegmentError.unlinked(name: name)) { try segment.wait(after: version, timeout: .zero) }
        let follower = Follower(segment)
        await #expect(throws: SegmentError.unlinked(name: name)) { try await follower.value() }
        #expect(follower.versions == [version])
        extendLifetime(other)
    }

    @Test("A wait that begins just before the next look at the name does not delay that look")
    func lookIsNotPutOff() async throws {
        try await expectQuick(2) { _ in
            let segment = try attach()
            let version = try segment.version
            #expect(try segment.wait(after: version, timeout: .milliseconds(1)) == nil)
            #expect(unlink(path) == 0)
            usleep(950_000)
            let start = ContinuousClock.now
            let waiter = InThread { try segment.wait(after: version) }
            // It is due in 50 ms, and would be in a second if the wait had put it off.
            await #expect(throws: SegmentError.unlinked(name: name)) { try await waiter.value() }
            return ContinuousClock.now - start
        }
    }

    @Test(
        "Text that was set just before the segment was unlinked is delivered",
        arguments: ProbeCommand.WatchMethod.allCases, [PausePoint.waitCheckedName, .waitAnnounced])
    func lastText(_ method: ProbeCommand.WatchMethod, _ step: PausePoint) async throws {
        let segment = try attach()
        let child = try await probe(stoppedAt: step, .watch(.readWrite, method))
        let last = try segment.set("last")
        try Segment.unlink(name, directory: directory.path)
        child.send(SIGCONT)
        _ = try await child.line(beginning: "saw \(last)")
        let result = try await child.finish()
        let error = SegmentError.unlinked(name: name)
        #expect((result.text + result.errors).contains("\(error)"), "\(result)")
    }

    // MARK: Damage

    @Test(
        "Whatever the header's words about waiting contain, a waiter learns of a set in time",
        arguments: [
            ("awaited", UInt64(0)), ("awaited", .max), ("woken", .max), ("woken", 1 << 63), ("both", .max),
            ("retired", 1),
            ("retired", .max), ("wakesAlways", 1), ("wakesAlways", .max),
        ], [Access.readWrite, .readOnly])
    func damaged(_ damage: (word: String, value: UInt64), _ access: Access) async throws {
        let writer = try attach()
        let segment = try attach(access)
        let follower = Follower(segment)
        try await follower.sees(try segment.version)
        for round in 0..<3 {
            let version = try segment.version
            let waiter = InThread { try segment.wait(after: version) }
            // Also while a waiter sleeps already, but not the last time.
            if round < 2 { try await Task.sleep(for: .milliseconds(20)) }
            try withView { view in
                let state = { UInt32(truncatingIfNeeded: damage.value) }
                switch damage.word {
                case "awaited": view.state.awaited.store(damage.value, ordering: .relaxed)
                case "woken": view.state.woken.store(damage.value, ordering: .relaxed)
                case "retired": view.state.retired.store(state(), ordering: .relaxed)
                case "wakesAlways": view.state.wakesAlways.store(state(), ordering: .relaxed)
                default:
                    view.state.awaited.store(damage.value, ordering: .relaxed)
                    view.state.woken.store(damage.value, ordering: .relaxed)
                }
            }
            let next = try writer.set("\(round)")
            #expect(try await waiter.value() == next)
            try await follower.sees(next)
        }
        try await follower.end()
    }
}

// MARK: -

extension WaitingTests {
    /// Expects that sets wake the child, each much sooner than it would look again.
    func expectWokenEachTime(_ child: ChildProcess, by writer: Segment) async throws {
        _ = try await child.line(beginning: "saw \(try writer.version)")
        try await expectQuick(10) { round in
            try await Task.sleep(for: .milliseconds(20))
            let start = ContinuousClock.now
            _ = try await child.line(beginning: "saw \(try writer.set("\(round)"))")
            return ContinuousClock.now - start
        }
    }
}
