import Foundation
import SharedMemory
import TestSupport

/// `sharedmem watch`, and the thread that reads what it prints.
final class PrintingWatcher: Sendable {
    let process: ChildProcess
    private let recorder: Recorder
    private let reader: Background
    private let last: Shared<Version?>

    /// - Parameter points: where it stops.
    init(_ name: String, _ stage: Stage, stoppingAt points: [PausePoint] = []) throws {
        recorder = try stage.recorder(.commandLine)
        // A socket pair, because Foundation has no pipe that is closed on exec.
        var ends: [CInt] = [0, 0]
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try expect(socketpair(AF_UNIX, type, 0, &ends) == 0, "socketpair: errno \(errno)")
        defer { close(ends[1]) }
        let output = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        let start = HistoryFile.now
        process = try stage.watch(name, ["-0", "-v"], stoppingAt: points, sink: ends[1])
        let last = Shared<Version?>(nil)
        self.last = last
        var random = SplitMix(state: UInt64(stage.random(0..<Int.max)))
        reader = Background(recorder) { _, recorder in
            var rest: [UInt8] = []
            while case let data = output.availableData, !data.isEmpty {
                rest += data
                guard data.contains(0) else { continue }
                while let end = rest.firstIndex(of: 0) {
                    last.value = try Self.saw(rest[..<end], since: start, after: last.value, recorder)
                    rest.removeFirst(end + 1)
                }
                if random.next() % 8 == 0 { usleep(UInt32(random.next() % 20_000)) }
            }
        }
    }

    /// - Parameter record: the version, a line feed, and the text.
    private static func saw(
        _ record: ArraySlice<UInt8>, since start: UInt64, after known: Version?, _ recorder: Recorder
    ) throws -> Version {
        let feed = record.firstIndex(of: UInt8(ascii: "\n")) ?? record.endIndex
        let version = String(decoding: record[..<feed], as: UTF8.self)
        return try recorder.saw(version, Array(record[feed...].dropFirst()), since: start, after: known)
    }

    /// Waits, once it has ended, until all of its output is read.
    func finishReading() async throws { try await reader.stop() }
}

extension PrintingWatcher: RoundWatcher {
    func end(_ version: Version) async throws {
        await recorder.recordEnd(of: version) { last.value }
        try await process.finishWatch()
        try await finishReading()
    }
}

/// `sharedmem watch --exec`, which runs one process for each version, and each records what it was told.
struct RunningWatcher: RoundWatcher {
    private let process: ChildProcess
    private let recorder: Recorder
    private let history: String

    init(_ name: String, _ stage: Stage) throws {
        recorder = try stage.recorder(.commandLine)
        (process, history) = try stage.watch(name, running: .told)
    }

    func end(_ version: Version) async throws {
        await recorder.recordEnd(of: version) {
            History.Operation.last(inFile: history).map { Version(instance: $0.instance, number: $0.number) }
        }
        try await process.finishWatch()
    }
}

extension ChildProcess {
    /// Ends `sharedmem watch` as a service manager does.
    func finishWatch() async throws {
        send(SIGTERM)
        let end = try await finish()
        try expect(end.status == 0 && !end.wasKilled, "sharedmem watch failed: \(end)")
    }
}
