import Foundation
import Synchronization
import TestSupport

/// A thread for work that blocks, which a task must not do.
final class Background: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let outcome = Mutex<Result<Void, any Error>?>(nil)

    init(_ recorder: Recorder, _ body: @escaping (_ isStopped: () -> Bool, Recorder) throws -> Void) {
        let body = Unchecked(body)
        Thread.detachNewThread { [self] in
            let result = Result { try body.value({ isStopped.load(ordering: .relaxed) }, recorder) }
            outcome.withLock { $0 = result }
        }
    }

    /// Tells the thread to end, waits until it has, and throws what it threw.
    func stop() async throws {
        isStopped.store(true, ordering: .relaxed)
        try await eventually("the end of a thread") { outcome.withLock { $0 } }.get()
    }
}

/// A value that is handed over to one thread.
struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// A value that several threads read and write.
final class Shared<Value: Sendable>: Sendable {
    private let state: Mutex<Value>
    init(_ value: Value) { state = Mutex(value) }

    var value: Value {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// Runs `body` for every job, at most `width` at a time.
func inParallel<Job: Sendable>(
    _ jobs: [Job], width: Int, _ body: @escaping @Sendable (Job) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for (index, job) in jobs.enumerated() {
            if index >= width { try await group.next() }
            group.addTask { try await body(job) }
        }
        try await group.waitForAll()
    }
}

/// A promise that was broken.
struct Failed: Error, CustomStringConvertible {
    let description: String
}

func expect(_ condition: Bool, _ failure: @autoclosure () -> String) throws {
    if !condition { throw Failed(description: failure()) }
}
