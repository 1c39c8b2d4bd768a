import Foundation
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// Following a name across unlinking and re-creation.
@Suite("Segment followers", .fewAtATime)
struct SegmentFollowerTests: WaitingSegmentTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    /// The outcomes that a follower reported.
    final class Reports: Sendable {
        private let outcomes = Mutex<[Result<Segment, SegmentError>]>([])

        func append(_ outcome: Result<Segment, SegmentError>) { outcomes.withLock { $0.append(outcome) } }

        var errors: [SegmentError] {
            outcomes.withLock { $0.compactMap { if case .failure(let error) = $0 { error } else { nil } } }
        }

        var segments: [Segment] { outcomes.withLock { $0.compactMap { try? $0.get() } } }
    }

    func follow(
        creates: Bool = true, fallsBackToReadOnly: Bool = false, _ reports: Reports = Reports()
    ) throws -> SegmentFollower {
        let options = AttachmentOptions(directory: directory.path, creates: creates)
        return try SegmentFollower(name, options, fallsBackToReadOnly: fallsBackToReadOnly) { reports.append($0) }
    }

    func unlink() throws { try Segment.unlink(name, directory: directory.path) }

    var notFound: SegmentError { .notFound(name: name, directory: directory.path, found: []) }

    // MARK: Attaching

    @Test("A follower attaches at its first use and not before, under a name that is valid")
    func attachesAtFirstUse() throws {
        #expect(throws: SegmentError.invalidName("a/b")) { try SegmentFollower("a/b") }
        let follower = try follow()
        #expect(try follower.segment == nil && follower.name == name && directory.names == [])
        let segment = try follower.attach()
        #expect(try follower.segment === segment && directory.names == ["text.sharedmem"])
        #expect(try follower.attach() === segment)
    }

    enum Removal: CaseIterable { case unlinked, removed, replaced }

    @Test("After its segment is unlinked, removed or replaced, a follower attaches again", arguments: Removal.allCases)
    func attachesAgain(_ how: Removal) throws {
        let reports = Reports()
        let follower = try follow(reports)
        let first = try follower.attach()
        let before = try first.set("first")
        #expect(reports.segments.isEmpty)
        switch how {
        case .unlinked: try unlink()
        case .removed: #expect(Foundation.unlink(path) == 0)
        case .replaced: #expect(rename(path, path + "-before") == 0)
        }
        let other = try attach()
        try other.set("second")
        #expect(follower.segment === first)
        let second = try follower.attach()
        #expect(try second !== first && second.get() == "second" && second.version.instance != before.instance)
        #expect(follower.segment === second)
        #expect(try follower.attach() === second)
        #expect(reports.segments.map(ObjectIdentifier.init) == [ObjectIdentifier(second)] && reports.errors.isEmpty)
    }

    @Test("A follower that cannot attach yet throws each time, and reports nothing")
    func throwsBeforeTheFirstAttachment() throws {
        let reports = Reports()
        let follower = try follow(creates: false, reports)
        for _ in 0..<3 { #expect(throws: notFound) { try follower.attach() } }
        follower.attachIfDue()
        #expect(follower.segment == nil)
        let segment = try attach()
        #expect(try follower.attach() !== segment)
        #expect(reports.errors.isEmpty && reports.segments.isEmpty)
    }

    @Test("A follower that cannot attach again has no segment, and reports each reason once")
    func reportsEachReasonOnce() throws {
        let reports = Reports()
        let segment = try attach()
        let follower = try follow(creates: false, reports)
        try follower.attach()
        try unlink()
        for _ in 0..<3 { #expect(throws: notFound) { try follower.attach() } }
        #expect(reports.errors == [notFound] && follower.segment == nil)
        #expect(FileManager.default.createFile(atPath: path, contents: Data("something else".utf8)))
        for _ in 0..<3 {
            #expect { try follower.attach() } throws: { error in
                if case SegmentError.notASegment = error { true } else { false }
            }
        }
        #expect(reports.errors.count == 2 && reports.segments.isEmpty)
        #expect(Foundation.unlink(path) == 0)
        for _ in 0..<3 { #expect(throws: notFound) { try follower.attach() } }
        #expect(reports.errors.count == 3)
        let second = try attach()
        #expect(try follower.attach().version.instance == second.version.instance)
        #expect(reports.segments.count == 1 && reports.errors.count == 3)
        extendLifetime(segment)
    }

    @Test(
        "Attaching when due looks at the name at once, and then not for half a second, unless the segment was unlinked")
    func attachesWhenDue() async throws {
        let reports = Reports()
        let follower = try follow(reports)
        follower.attachIfDue()
        let first = try #require(follower.segment)
        // As another program removes it.
        try FileManager.default.removeItem(atPath: first.path)
        let other = try attach()
        follower.attachIfDue()
        #expect(follower.segment === first)
        try await eventually("another look") {
            follower.attachIfDue()
            return follower.segment === first ? nil : ()
        }
        #expect(try follower.segment?.version.instance == other.version.instance && reports.segments.count == 1)
        try unlink()
        let third = try attach()
        follower.attachIfDue()
        #expect(try follower.segment?.version.instance == third.version.instance && reports.segments.count == 2)
    }

    @Test("Attaching when due reports an error and throws none")
    func reportsWhenDue() async throws {
        let reports = Reports()
        let follower = try follow(creates: false, reports)
        let segment = try attach()
        try follower.attach()
        try unlink()
        try await eventually("another look") {
            follower.attachIfDue()
            return follower.segment == nil ? () : nil
        }
        #expect(reports.errors == [notFound])
        extendLifetime(segment)
    }

    @Test("A follower that may not write reads, if it may fall back to that", .enabled(if: geteuid() == 0))
    func fallsBackToReading() async throws {
        let segment = try attach()
        try segment.set("read only")
        chmod(segment.path, 0o644)
        chmod(directory.path, 0o755)
        let user = ["--reuid", "12345", "--regid", "12345", "--clear-groups"]
        let command = [ProbeCommand.executable] + ProbeCommand.follow.arguments(directory.path, name)
        // Root's segments are trusted.
        let result = try await ChildProcess.run("setpriv", user + command)
        #expect(result.text == "read only\n" && result.status == 0, "\(result.errors)")
    }

    @Test("Threads that use one follower while its segment is replaced again and again end with the same segment")
    func manyThreads() async throws {
        let reports = Reports()
        let follower = try follow(reports)
        let isOver = Atomic(false)
        let threads = (0..<8).map { index in
            InThread {
                var count = 0
                while !isOver.load(ordering: .relaxed) {
                    if index % 2 == 0 { follower.attachIfDue() }
                    _ = try follower.attach().get()
                    count += 1
                }
                return count
            }
        }
        for _ in 0..<50 {
            try? unlink()
            try await Task.sleep(for: .milliseconds(2))
        }
        isOver.store(true, ordering: .relaxed)
        for thread in threads { #expect(try await thread.value() > 0) }
        let last = try follower.attach()
        #expect(try !last.isUnlinked && follower.segment === last)
        // Each segment was reported once, whichever thread attached to it.
        let instances = try reports.segments.map { try $0.version.instance }
        #expect(Set(instances).count == instances.count && reports.errors.isEmpty)
    }

    // MARK: Waiting

    @Test("The current text comes at once, then each later one, and nothing when the time is up")
    func waits() async throws {
        let writer = try attach()
        try writer.set("first")
        let follower = try follow()
        let first = try #require(try follower.next(after: nil, waitsForSegment: false, timeout: nil))
        #expect(first.text == "first")
        #expect(try follower.next(after: first.version, waitsForSegment: false, timeout: .zero) == nil)
        #expect(try follower.next(after: first.version, waitsForSegment: false, timeout: .milliseconds(20)) == nil)
        let waiter = InThread { try follower.next(after: first.version, waitsForSegment: false, timeout: nil) }
        try await aThreadWaits()
        try writer.set("second")
        #expect(try await waiter.value()?.text == "second")
    }

    @Test("Without waiting for a segment, a missing or unlinked one is an error, and the next call attaches again")
    func errorsWithoutWaitingForSegment() throws {
        let follower = try follow(creates: false)
        #expect(throws: notFound) { try follower.next(after: nil, waitsForSegment: false, timeout: nil) }
        let segment = try attach()
        let empty = try #require(try follower.next(after: nil, waitsForSegment: false, timeout: nil))
        #expect(empty.text == "" && empty.version.number == 0)
        try unlink()
        #expect(throws: SegmentError.unlinked(name: name)) {
            try follower.next(after: empty.version, waitsForSegment: false, timeout: nil)
        }
        let other = try attach()
        try other.set("other")
        #expect(try follower.next(after: empty.version, waitsForSegment: false, timeout: nil)?.text == "other")
        extendLifetime(segment)
    }

    @Test("A follower that waits for its segment waits until that is created, and then until it is set")
    func waitsForSegment() async throws {
        let follower = try follow(creates: false)
        #expect(try follower.next(after: nil, waitsForSegment: true, timeout: .zero) == nil)
        #expect(try follower.next(after: nil, waitsForSegment: true, timeout: .milliseconds(250)) == nil)
        let waiter = InThread { try follower.next(after: nil, waitsForSegment: true, timeout: nil) }
        let segment = try attach()
        #expect(try follower.next(after: nil, waitsForSegment: true, timeout: .milliseconds(50)) == nil)
        try await aThreadWaits()
        #expect(!waiter.isDone)
        try segment.set("set")
        #expect(try await waiter.value()?.text == "set")
    }

    @Test("A waiting follower crosses the removal of its segment", arguments: Removal.allCases)
    func waitsAcrossRemoval(_ how: Removal) async throws {
        let reports = Reports()
        let follower = try follow(creates: false, reports)
        let first = try attach()
        let version = try first.set("first")
        #expect(try follower.next(after: nil, waitsForSegment: true, timeout: nil)?.version == version)
        let waiter = InThread { try follower.next(after: version, waitsForSegment: true, timeout: nil) }
        try await aThreadWaits()
        switch how {
        case .unlinked: try unlink()
        case .removed: #expect(Foundation.unlink(path) == 0)
        case .replaced: #expect(rename(path, path + "-before") == 0)
        }
        try await Task.sleep(for: .milliseconds(50))
        let second = try attach()
        try second.set("second")
        let snapshot = try #require(try await waiter.value())
        #expect(try snapshot.text == "second" && snapshot.version == second.version)
        #expect(reports.segments.count == 1)
        extendLifetime(first)
    }
}
