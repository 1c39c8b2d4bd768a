import Foundation
import SharedMemory
import Synchronization

// Runs each example of the documents until it ends. Those that follow the text go on for ever: they are cancelled once they
// have used it, and one that blocks its thread is shown another version.

let uses = Mutex<[String]>([])
let result = Mutex<Result<Void, any Error>?>(nil)

func use(_ value: String) { uses.withLock { $0.append(value) } }

// What the examples call.
func print(_ values: Any...) { use(values.map { "\($0)" }.joined(separator: " ")) }
func apply(_ text: String) { use(text) }
func answer(_ request: Int, by text: UTF8Span) { use("answer \(request)") }
/// Three requests.
func next() -> Int? {
    let count = uses.withLock { $0.count }
    return count < 3 ? count : nil
}

/// - Returns: whether `condition` holds within so many seconds.
func holds(within seconds: Int, _ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<seconds * 100 {
        if condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return condition()
}

/// - Returns: what is wrong; nil if the example works.
func check(_ example: @escaping @Sendable () async throws -> Void) async throws -> String? {
    let segment = try Segment.attach("shared")
    try segment.set("feature.x = on")
    let task = Task.detached {
        do {
            try await example()
            result.withLock { $0 = .success(()) }
        } catch {
            result.withLock { $0 = .failure(error) }
        }
    }
    let hasEnded = { result.withLock { $0 != nil } }
    let hasUsed = { (value: String?) in uses.withLock { uses in value.map { uses.contains($0) } ?? !uses.isEmpty } }
    _ = try await holds(within: 5) { hasEnded() || hasUsed(nil) }
    task.cancel()
    if try await !holds(within: 2, hasEnded) {
        try segment.set("changed")
        guard try await holds(within: 20, { hasUsed("changed") }) else { return "it does not follow the text" }
        if !hasEnded() { return nil }
    }
    if case .failure(let error) = result.withLock({ $0 }) { return "it throws: \(error)" }
    return try hasUsed(nil) || segment.get() != "feature.x = on" ? nil : "it does nothing"
}

// Each in a process of its own, because one that blocks its thread goes on doing so.
if let index = CommandLine.arguments.dropFirst().first.flatMap({ Int($0) }) {
    let failure = try await check(examples[index].run)
    if let failure { Swift.print("\(examples[index].place): \(failure)") }
    exit(failure == nil ? 0 : 1)
}
var failureCount = 0
for index in examples.indices {
    let process = try Process.run(URL(filePath: "/proc/self/exe").resolvingSymlinksInPath(), arguments: ["\(index)"])
    process.waitUntilExit()
    if process.terminationStatus != 0 { failureCount += 1 }
}
Swift.print("\(examples.count) Swift examples, \(failureCount) fail")
exit(failureCount == 0 ? 0 : 1)
