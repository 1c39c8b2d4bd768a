// A build with the static standard library has no tests, and no module for them.
#if canImport(Testing)
import Foundation
public import Testing

/// Runs as many tests at a time as there are processors, and gives each a limit that does not include waiting for its turn.
///
/// Most tests start processes or wait for threads. All at once, they would delay one another beyond every limit.
public struct FewAtATime: SuiteTrait, TestTrait, TestScoping {
    private static let turns = Turns(count: max(2, ProcessInfo.processInfo.activeProcessorCount))
    private let limit: Duration

    public var isRecursive: Bool { true }

    fileprivate init(limit: Duration) { self.limit = limit }

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        await Self.turns.take()
        let result = await Result.catching { try await limited(function) }
        await Self.turns.giveBack()
        try result.get()
    }

    private func limited(_ function: @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            try await withoutActuallyEscaping(function) { function in
                group.addTask { try await function() }
                group.addTask {
                    try await Task.sleep(for: limit)
                    Issue.record("The test has taken longer than \(limit).")
                }
                try await group.next()
                group.cancelAll()
                while let _ = try? await group.next() {}
            }
        }
    }
}

extension Trait where Self == FewAtATime {
    /// Runs the test beside few others.
    public static var fewAtATime: Self { FewAtATime(limit: .seconds(300)) }
}

extension Result where Failure == any Error {
    fileprivate static func catching(_ body: () async throws -> Success) async -> Self {
        do {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
}

private actor Turns {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(count: Int) { free = count }

    func take() async {
        if free > 0 { return free -= 1 }
        await withCheckedContinuation { waiting.append($0) }
    }

    func giveBack() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
#endif
