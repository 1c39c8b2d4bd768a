import Foundation
import SharedMemory
import TestSupport

/// A watcher that follows the text from the beginning of a round to its end.
protocol RoundWatcher: Sendable {
    /// Names the last version. A watcher that does not have it soon records which one it has.
    func end(_ version: Version) async throws
}

/// A worker that watches until standard input names the last version.
struct WatchingWorker: RoundWatcher {
    let process: ChildProcess

    func end(_ version: Version) async throws {
        try process.write(Data("\(version)\n".utf8))
        let end = try await process.finish()
        try expect(end.status == 0, "a watcher failed: \(end)")
    }
}

extension Recorder {
    /// Records what a watcher was told.
    ///
    /// - Parameters:
    ///   - start: a time at which the version it was told could not yet have been replaced.
    ///   - known: the version it had before, as it told the server.
    func saw(_ id: String, _ text: [UInt8], since start: UInt64, after known: Version?) throws -> Version {
        guard let version = Version(id) else { throw Failed(description: "'\(id.prefix(200))' is not a version") }
        record(.watch, since: start, version, digest: ChecksummedText.digest(of: text.span.bytes), replaced: known)
        return version
    }

    /// The slowest watcher may take a second to hear of the last version if its publisher was killed; the rest is for a
    /// busy machine.
    static let patience = Duration.seconds(4)

    /// Waits, bounded, until a watcher has the last version, and records the one that it has then.
    func recordEnd(of version: Version, _ last: () -> Version?) async {
        let deadline = ContinuousClock.now + Self.patience
        while last() != version, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(1)) }
        recordEnd(last(), of: version)
    }

    func recordEnd(_ last: Version?, of version: Version) {
        let seen = last ?? Version(instance: version.instance, number: 0)
        record(.ended, since: HistoryFile.now, seen, digest: nil)
    }
}
