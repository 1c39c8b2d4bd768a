import Foundation
import SharedMemory
import Synchronization
import TestSupport

/// The directory that the processes share, the programs that they run, and the history of what they did.
final class Stage: Sendable {
    /// The directory of the segments.
    let directory: String
    let tally: Tally
    private let scratch: TemporaryDirectory
    private let historyDirectory: String
    private let cWorker: String
    private let random: Mutex<SplitMix>
    /// Records what this process does.
    let recorder: Recorder
    private let fileCount = Atomic<Int>(0)

    /// - Parameter directory: a directory for the segments; nil for one of the stage's own.
    init(_ tally: Tally, cWorker: String, seed: UInt64, directory: String? = nil) throws {
        self.tally = tally
        self.cWorker = cWorker
        scratch = try TemporaryDirectory()
        self.directory = directory ?? "\(scratch.path)/segments"
        historyDirectory = "\(scratch.path)/history"
        random = Mutex(SplitMix(state: seed))
        for directory in [self.directory, historyDirectory] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        recorder = try Recorder("\(historyDirectory)/\(Self.ownFile)", .swift)
    }

    func random(_ range: Range<Int>) -> Int { random.withLock { Int.random(in: range, using: &$0) } }

    func randomText() -> [UInt8] { random.withLock { $0.text() } }

    func randomElement<Element>(_ elements: [Element]) -> Element { elements[random(0..<elements.count)] }

    private func newPath(_ directory: String, _ suffix: String) -> String {
        "\(directory)/\(fileCount.add(1, ordering: .relaxed).newValue)\(suffix)"
    }

    // MARK: The history

    private static let ownFile = "own"

    func recorder(_ interface: History.Operation.Interface) throws -> Recorder {
        try Recorder(newPath(historyDirectory, ""), interface)
    }

    /// Everything that was recorded since the last time.
    func takeHistory() throws -> History {
        let history = try History(readingFilesIn: historyDirectory)
        for name in try FileManager.default.contentsOfDirectory(atPath: historyDirectory) {
            let path = "\(historyDirectory)/\(name)"
            if name != Self.ownFile {
                try FileManager.default.removeItem(atPath: path)
            } else {
                // It stays open, and the next record goes to its beginning.
                try expect(truncate(path, 0) == 0, "truncate: errno \(errno)")
            }
        }
        return history
    }

    // MARK: Processes

    /// - Parameter points: where it stops, one after the other.
    func worker(_ interface: Interface, _ name: String, _ action: Worker.Action, stoppingAt points: [PausePoint] = [])
        throws
        -> ChildProcess
    {
        let arguments = workerArguments(name, newPath(historyDirectory, ""), action)
        let environment = environment(name, stoppingAt: points)
        return interface == .c
            ? try ChildProcess(cWorker, arguments, environment: environment)
            : try ChildProcess(ChildProcess.product("torture"), ["worker"] + arguments, environment: environment)
    }

    private func workerArguments(_ name: String, _ history: String, _ action: Worker.Action) -> [String] {
        [directory, name, history, "\(random(0..<Int.max))", action.rawValue]
    }

    func server(_ name: String, stoppingAt points: [PausePoint] = [], options: [String] = []) throws -> Server {
        let path = newPath(scratch.path, ".socket")
        let arguments = ["serve", name, "--listen", "unix:\(path)", "--directory", directory, "--threads", "1"]
        return Server(
            process: try ChildProcess(
                ChildProcess.product("sharedmem"), arguments + options,
                environment: environment(name, stoppingAt: points)),
            socketPath: path)
    }

    /// - Parameter sink: an open file for its output; nil to keep it here.
    func watch(_ name: String, _ options: [String], stoppingAt points: [PausePoint] = [], sink: CInt? = nil) throws
        -> ChildProcess
    {
        try ChildProcess(
            ChildProcess.product("sharedmem"), ["watch", name, "--directory", directory] + options,
            environment: environment(name, stoppingAt: points), sink: sink)
    }

    /// A watch that runs the worker in C for each version, and the file in which that records what it is told.
    func watch(_ name: String, running action: Worker.Action) throws -> (ChildProcess, history: String) {
        let history = newPath(historyDirectory, "")
        let process = try watch(name, ["--exec", cWorker] + workerArguments(name, history, action))
        return (process, history)
    }

    /// Runs a command to its end.
    func sharedmem(_ arguments: [String], input: [UInt8] = []) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            ChildProcess.product("sharedmem"), arguments + ["--directory", directory], input: Data(input))
    }

    /// The C library attaches to its default segment when it is loaded, which is therefore the same one.
    private func environment(_ name: String, stoppingAt points: [PausePoint]) -> [String: String] {
        [
            "SHAREDMEM_PAUSE_AT": points.map(\.rawValue).joined(separator: ","), "SHAREDMEM_DIRECTORY": directory,
            "SHAREDMEM_NAME": name,
        ]
    }

    /// The number of pins of the segments: few enough to take them all.
    let pinCount = 64

    func options(_ lifetime: Lifetime = .whileAttached) -> AttachmentOptions {
        AttachmentOptions(lifetime: lifetime, rowCount: 126, pinCount: pinCount, directory: directory)
    }

    /// Kills a process that has stopped at a point, and counts it.
    func kill(_ process: ChildProcess, at point: PausePoint, _ interface: Interface) async throws {
        process.kill()
        let end = try await process.finish()
        try expect(end.wasKilled && end.status == SIGKILL, "killed at \(point): \(end)")
        tally.killed(at: point, interface)
    }
}
