import Foundation
import SharedMemory
import Synchronization
import TestSupport

/// Watches the text through the Swift interface until it is told to end, or killed, and records each version.
final class Watcher: Sendable {
    private let segment: Segment
    private let recorder: Recorder
    private let last = Mutex<Version?>(nil)

    init(_ segment: Segment, _ recorder: Recorder) {
        self.segment = segment
        self.recorder = recorder
    }

    func watch(inTask: Bool) {
        if inTask {
            Task { [self] in await orFail { try await follow() } }
        } else {
            Thread.detachNewThread { [self] in orFail { try wait() } }
        }
        endWhenTold()
    }

    /// Standard input names the last version, or just ends.
    private func endWhenTold() {
        guard let line = readLine(), let version = Version(line) else { return }
        let deadline = ContinuousClock.now + Recorder.patience
        while last.withLock({ $0 }) != version, ContinuousClock.now < deadline { usleep(1000) }
        recorder.recordEnd(last.withLock { $0 }, of: version)
    }

    private func follow() async throws {
        var texts = segment.changes.makeAsyncIterator()
        while true {
            let start = HistoryFile.now
            guard let snapshot = try await texts.next() else { throw Failed(description: "the changes ended") }
            saw(snapshot, since: start)
        }
    }

    private func wait() throws {
        var version = Version(instance: 0, number: 0)
        while true {
            let start = HistoryFile.now
            guard let next = try segment.wait(after: version) else {
                throw Failed(description: "a wait without a timeout timed out")
            }
            do {
                let snapshot = try segment.snapshot()
                try expect(snapshot.version.number >= next.number, "\(snapshot.version), but was told of \(next)")
                saw(snapshot, since: start)
                version = snapshot.version
            } catch SegmentError.busy {}
        }
    }

    private func saw(_ snapshot: Snapshot, since start: UInt64) {
        let before = last.withLock { last in
            defer { last = snapshot.version }
            return last
        }
        recorder.record(
            .watch, since: start, snapshot.version,
            digest: ChecksummedText.digest(of: snapshot.text.utf8Span.span.bytes), replaced: before)
    }
}

private func orFail(_ body: () throws -> Void) {
    do { try body() } catch { fail(error) }
}

private func orFail(_ body: () async throws -> Void) async {
    do { try await body() } catch { fail(error) }
}

private func fail(_ error: any Error) -> Never {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
