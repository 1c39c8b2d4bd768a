import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedMemory

/// Helpers for tests of waiting.
protocol WaitingSegmentTests: SegmentTestCase {}

extension WaitingSegmentTests {
    /// One more than the highest number whose replacement any waiter has waited for.
    var awaited: UInt64 { get throws { try withView { $0.state.awaited.load(ordering: .relaxed) } } }

    /// The number of the last publication whose publisher woke waiters.
    var woken: UInt64 { get throws { try withView { $0.state.woken.load(ordering: .relaxed) } } }

    /// Returns once a thread or task waits for the replacement of the current text.
    func aThreadWaits() async throws {
        try await eventually("a waiter") {
            try withView { $0.state.awaited.load(ordering: .relaxed) > $0.loadCurrent().number } ? () : nil
        }
    }
}

/// Does something until it has been quick `count` times.
///
/// What has to wait for the next look, which comes once a second, is never quick. On a busy machine, anything may be slow at
/// times.
func expectQuick(_ count: Int, _ measure: (_ round: Int) async throws -> Duration) async throws {
    var quickCount = 0
    for round in 0..<10 * count where quickCount < count {
        if try await measure(round) < .milliseconds(500) { quickCount += 1 }
    }
    #expect(quickCount == count, "often slow")
}

/// The result of a body that runs in a thread of its own, as tasks must not block.
final class InThread<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)

    init(_ body: @escaping @Sendable () throws -> Value) {
        Thread.detachNewThread { [self] in
            let outcome = Result { try body() }
            result.withLock { $0 = outcome }
        }
    }

    var isDone: Bool { result.withLock { $0 != nil } }

    func value(within seconds: Double = 60) async throws -> Value {
        try await eventually("the end of a thread", within: seconds) { result.withLock { $0 } }.get()
    }
}

/// The versions that a reader got, and the faults among them.
struct Sightings: Sendable {
    private(set) var versions: [Version] = []
    private(set) var faults: [String] = []

    /// - Parameter before: the current version when the reader asked.
    mutating func append(_ version: Version, since before: Version, isWhole: Bool) {
        if let last = versions.last, version.number <= last.number { faults.append("\(version) after \(last)") }
        if version.number < before.number { faults.append("\(version), when \(before) was there") }
        if !isWhole { faults.append("\(version) is torn") }
        versions.append(version)
    }
}

/// Follows a segment in a task, until it is told to end.
final class Follower: Sendable {
    private let shared: Shared
    private let task: Task<Void, Never>

    private final class Shared: Sendable {
        let sightings = Mutex(Sightings())
        let outcome = Mutex<Result<Void, any Error>?>(nil)
    }

    /// - Parameter delay: the time that it takes for each text.
    init(_ segment: Segment, delay: Duration = .zero) {
        let shared = Shared()
        self.shared = shared
        task = Task {
            do {
                try await Self.follow(segment, delay, shared)
                shared.outcome.withLock { $0 = .success(()) }
            } catch {
                shared.outcome.withLock { $0 = .failure(error) }
            }
        }
    }

    private static func follow(_ segment: Segment, _ delay: Duration, _ shared: Shared) async throws {
        var texts = segment.changes.makeAsyncIterator()
        while true {
            let before = try segment.version
            guard let snapshot = try await texts.next() else { return }
            let isWhole = snapshot.text.count < 17 || ChecksummedText.isWhole(snapshot.text.utf8Span.span.bytes)
            shared.sightings.withLock { $0.append(snapshot.version, since: before, isWhole: isWhole) }
            if delay != .zero { try? await Task.sleep(for: delay) }
        }
    }

    var versions: [Version] { shared.sightings.withLock(\.versions) }
    var faults: [String] { shared.sightings.withLock(\.faults) }

    /// Waits until the follower has seen a version.
    func sees(_ version: Version) async throws {
        try await eventually("a task that sees \(version)") { versions.last == version ? () : nil }
    }

    /// Cancels the follower, and waits for its end.
    func end() async throws {
        task.cancel()
        try await value()
    }

    /// Waits for the follower's end, for a limited time.
    func value() async throws {
        try await eventually("the end of a task") { shared.outcome.withLock { $0 } }.get()
    }
}

/// Follows a segment in a waiting thread, until it has seen the version that it is told is the last.
final class Watcher: Sendable {
    private let shared = Shared()
    private let thread: InThread<Sightings>

    private final class Shared: Sendable { let last = Mutex<Version?>(nil) }

    init(_ segment: Segment) {
        thread = InThread { [shared] in
            var sightings = Sightings()
            var version = try segment.version
            while shared.last.withLock({ $0 }) != version {
                let before = try segment.version
                guard let next = try segment.wait(after: version, timeout: .milliseconds(100)) else { continue }
                sightings.append(next, since: before, isWhole: true)
                version = next
            }
            return sightings
        }
    }

    func end(at last: Version) async throws -> Sightings {
        shared.last.withLock { $0 = last }
        return try await thread.value()
    }
}
