import Foundation
import SharedMemory
import Synchronization
import TestSupport

/// Through what a process that is killed uses the text.
enum Door: String, CaseIterable, Sendable {
    case swift, c, http
    /// As `sharedmem watch` does; other commands are over at once.
    case commandLine = "command"

    /// Those through which a process reads and sets the text as long as it lives.
    static let readingAndSetting: [Door] = [.swift, .c, .http]
}

/// Where it all happens: a directory of its own, the programs, and what is known so far.
final class Stage: Sendable {
    /// Of the segments.
    let directory: String
    let tally: Tally
    private let scratch: TemporaryDirectory
    private let historyDirectory: String
    private let cWorker: String
    private let random: Mutex<SplitMix>
    /// Of what is done here.
    let recorder: Recorder
    private let fileCount = Atomic<Int>(0)

    /// - Parameter directory: a place for the segments other than the stage's own.
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

    func recorder(_ door: History.Operation.Door) throws -> Recorder {
        try Recorder(newPath(historyDirectory, ""), door)
    }

    /// All that was done since the last time.
    func takeHistory() throws -> History {
        let history = try History(readingFilesIn: historyDirectory)
        for name in try FileManager.default.contentsOfDirectory(atPath: historyDirectory) {
            let path = "\(historyDirectory)/\(name)"
            if name != Self.ownFile {
                try FileManager.default.removeItem(atPath: path)
            } else {
                // It stays open: what is written next comes at its beginning.
                try expect(truncate(path, 0) == 0, "truncate: errno \(errno)")
            }
        }
        return history
    }

    // MARK: Processes

    /// - Parameter steps: where it stops, one after the other.
    func worker(_ door: Door, _ name: String, _ action: Worker.Action, stoppingAt steps: [PausePoint] = []) throws
        -> ChildProcess
    {
        let arguments = workerArguments(name, newPath(historyDirectory, ""), action)
        let environment = environment(name, stoppingAt: steps)
        return door == .c
            ? try ChildProcess(cWorker, arguments, environment: environment)
            : try ChildProcess(ChildProcess.product("torture"), ["worker"] + arguments, environment: environment)
    }

    private func workerArguments(_ name: String, _ history: String, _ action: Worker.Action) -> [String] {
        [directory, name, history, "\(random(0..<Int.max))", action.rawValue]
    }

    func server(_ name: String, stoppingAt steps: [PausePoint] = [], options: [String] = []) throws -> Server {
        let path = newPath(scratch.path, ".socket")
        let arguments = ["serve", name, "--listen", "unix:\(path)", "--directory", directory, "--threads", "1"]
        return Server(
            process: try ChildProcess(
                ChildProcess.product("sharedmem"), arguments + options,
                environment: environment(name, stoppingAt: steps)),
            socketPath: path)
    }

    /// - Parameter sink: where its output goes.
    func watch(_ name: String, _ options: [String], stoppingAt steps: [PausePoint] = [], sink: CInt? = nil) throws
        -> ChildProcess
    {
        try ChildProcess(
            ChildProcess.product("sharedmem"), ["watch", name, "--directory", directory] + options,
            environment: environment(name, stoppingAt: steps), sink: sink)
    }

    /// A watch that runs the worker in C, and where that writes down what it is told.
    func watch(_ name: String, running action: Worker.Action) throws -> (ChildProcess, history: String) {
        let history = newPath(historyDirectory, "")
        let process = try watch(name, ["--exec", cWorker] + workerArguments(name, history, action))
        return (process, history)
    }

    /// The command line.
    func sharedmem(_ arguments: [String], input: [UInt8] = []) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            ChildProcess.product("sharedmem"), arguments + ["--directory", directory], input: Data(input))
    }

    /// The C library attaches to a segment of its own when it is loaded: the same one.
    private func environment(_ name: String, stoppingAt steps: [PausePoint]) -> [String: String] {
        [
            "SHAREDMEM_PAUSE_AT": steps.map(\.rawValue).joined(separator: ","), "SHAREDMEM_DIRECTORY": directory,
            "SHAREDMEM_NAME": name,
        ]
    }

    func options(_ lifetime: Lifetime = .whileAttached) -> AttachmentOptions {
        AttachmentOptions(lifetime: lifetime, directory: directory)
    }

    /// Kills a process that has stopped at a step, and counts it.
    func kill(_ process: ChildProcess, at step: PausePoint, _ door: Door) async throws {
        process.kill()
        let end = try await process.finish()
        try expect(end.wasKilled && end.status == SIGKILL, "killed at \(step): \(end)")
        tally.killed(at: step, door)
    }
}

extension RawClient {
    /// Sets the text, and records it if that was acknowledged.
    func set(_ text: [UInt8], _ recorder: Recorder) throws {
        recorder.willSet(text)
        let start = HistoryFile.now
        try sendRequest("PUT", body: text)
        try finish(text, since: start, recorder)
    }

    /// Sets the text if it is the one that was last seen.
    func setConditionally(_ text: [UInt8], _ recorder: Recorder) throws {
        let expected = try version(request("HEAD"))
        recorder.willSet(text)
        let start = HistoryFile.now
        let response = try request("PUT", "/shared", ["If-Match: \"\(expected)\""], body: text)
        if response.status == 412 { return }
        try expect(response.status == 204, "PUT: \(response)")
        recorder.record(
            .set, since: start, try version(response), digest: ChecksummedText.digest(of: text.span.bytes),
            replaced: expected)
    }

    @discardableResult
    func get(_ recorder: Recorder) throws -> [UInt8] {
        let start = HistoryFile.now
        try sendRequest("GET")
        return try finish(nil, since: start, recorder)
    }

    /// Waits for the answer to a request that was sent before: one that sets the text, or reads it.
    ///
    /// - Returns: the text.
    @discardableResult
    func finish(_ text: [UInt8]?, since start: UInt64, _ recorder: Recorder) throws -> [UInt8] {
        let answer = try response()
        try expect(answer.status == (text == nil ? 200 : 204), "\(answer)")
        let bytes = text ?? answer.body
        recorder.record(
            text == nil ? .read : .set, since: start, try version(answer),
            digest: ChecksummedText.digest(of: bytes.span.bytes))
        return bytes
    }

    private func version(_ response: RawResponse) throws -> Version {
        guard let version = response["ETag"].flatMap({ Version(String($0.dropFirst().dropLast())) }) else {
            throw Failed(description: "no ETag: \(response)")
        }
        return version
    }
}

struct Failed: Error, CustomStringConvertible {
    let description: String
}

func expect(_ truth: Bool, _ what: @autoclosure () -> String) throws {
    if !truth { throw Failed(description: what()) }
}
