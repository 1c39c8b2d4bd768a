import Foundation
import Synchronization

/// A process that a test started; killed when the test releases it.
///
/// Foundation's `Process` would not do: children started at the same time hold one another's pipes open.
public final class ChildProcess: Sendable {
    public let processID: pid_t
    private let arguments: [String]
    private let input: Mutex<FileHandle?>
    /// Nil if the output goes to a `sink`.
    private let output: FileHandle?
    private let errors: FileHandle?
    private let status = Mutex<CInt?>(nil)

    /// The folder of the products of the test's own build.
    public static let productDirectory: String = {
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "."
        return URL(fileURLWithPath: executable).deletingLastPathComponent().path
    }()

    public static func product(_ name: String) -> String { "\(productDirectory)/\(name)" }

    /// - Parameter sink: an open file for all of its output; nil to keep the output here.
    public init(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], sink: CInt? = nil
    ) throws {
        self.arguments = [executable] + arguments
        signal(SIGPIPE, SIG_IGN)
        output = sink == nil ? try Self.temporaryFile() : nil
        errors = sink == nil ? try Self.temporaryFile() : nil
        // A socket pair, because Foundation has no pipe that is closed on exec.
        var pipe: [CInt] = [0, 0]
        let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue
        try check(socketpair(AF_UNIX, CInt(type), 0, &pipe) == 0 ? 0 : errno, "socketpair")
        defer { close(pipe[0]) }
        input = Mutex(FileHandle(fileDescriptor: pipe[1], closeOnDealloc: true))

        let descriptors = [pipe[0], output?.fileDescriptor ?? sink ?? -1, errors?.fileDescriptor ?? sink ?? -1]
        processID = try spawn(
            self.arguments, environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }
        ) { actions in
            for (number, descriptor) in descriptors.enumerated() {
                posix_spawn_file_actions_adddup2(&actions, descriptor, CInt(number))
            }
        }
    }

    deinit {
        if endStatus == nil {
            send(SIGKILL)
            var status: CInt = 0
            waitpid(processID, &status, 0)
        }
    }

    public func send(_ signal: CInt) { Foundation.kill(processID, signal) }

    public func kill() { if endStatus == nil { send(SIGKILL) } }

    public func write(_ data: Data) throws { try input.withLock { try $0?.write(contentsOf: data) } }

    public func closeInput() { input.withLock { $0 = nil } }

    /// Everything that it has written to standard output so far.
    public var outputSoFar: String { String(decoding: Self.content(of: output), as: UTF8.self) }

    /// Everything that it has written to standard error so far.
    public var errorsSoFar: String { String(decoding: Self.content(of: errors), as: UTF8.self) }

    /// Waits until standard output has a whole line that begins with `prefix`, and returns the rest of that line.
    public func line(beginning prefix: String, within seconds: Double = 60) async throws -> String {
        try await eventually("a line '\(prefix)…' from \(arguments)", within: seconds) {
            let lines = self.outputSoFar.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            return lines.first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        }
    }

    /// Waits until it has stopped itself, at the pause point that `SHAREDMEM_PAUSE_AT` names.
    public func stopped(within seconds: Double = 60) async throws {
        try await eventually("the stop of \(arguments)", within: seconds) {
            if let status = self.endStatus {
                let end = self.finished(status)
                throw TimeIsUp(description: "\(self.arguments) ended before it stopped: \(end)")
            }
            let status = try String(contentsOfFile: "/proc/\(self.processID)/stat", encoding: .utf8)
            return status.split(separator: ")").last?.hasPrefix(" T") == true ? () : nil
        }
    }

    /// Closes its input, if that is still open, and waits for its end.
    public func finish(within seconds: Double = 60) async throws -> Finished {
        closeInput()
        return try await end(within: seconds)
    }

    private func end(within seconds: Double) async throws -> Finished {
        let status = try await eventually("the end of \(arguments)", within: seconds) { self.endStatus }
        return finished(status)
    }

    private func finished(_ status: CInt) -> Finished {
        let signal = status & 0x7f
        return Finished(
            status: signal == 0 ? status >> 8 & 0xff : signal, wasKilled: signal != 0,
            output: Self.content(of: output), errors: String(decoding: Self.content(of: errors), as: UTF8.self))
    }

    /// Its wait status, once it has ended.
    private var endStatus: CInt? {
        status.withLock { known in
            var status: CInt = 0
            if known == nil, waitpid(processID, &status, WNOHANG) == processID { known = status }
            return known
        }
    }

    public struct Finished: Sendable {
        /// The exit status, or the signal that killed it.
        public let status: Int32
        public let wasKilled: Bool
        public let output: Data
        public let errors: String

        public var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// Runs a program to its end.
    @discardableResult
    public static func run(
        _ executable: String, _ arguments: [String], input: Data = Data(), environment: [String: String] = [:],
        within seconds: Double = 60
    ) async throws -> Finished {
        let child = try ChildProcess(executable, arguments, environment: environment)
        // In a thread of its own, because the program may be slow to read its input, or never read it.
        Thread.detachNewThread {
            try? child.write(input)
            child.closeInput()
        }
        return try await child.end(within: seconds)
    }

    /// A file without a name, which does not fill up as a pipe does.
    private static func temporaryFile() throws -> FileHandle {
        let path = "/dev/shm/sharedmem-test-\(UUID())"
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        try check(descriptor < 0 ? errno : 0, path)
        unlink(path)
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Reads without moving the offset, which the child shares.
    private static func content(of file: FileHandle?) -> Data {
        guard let file else { return Data() }
        var status = stat()
        fstat(file.fileDescriptor, &status)
        var data = Data(count: Int(status.st_size))
        let count = data.withUnsafeMutableBytes { pread(file.fileDescriptor, $0.baseAddress, $0.count, 0) }
        return data.prefix(max(count, 0))
    }
}

public struct SystemFailure: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

public struct TimeIsUp: Error, CustomStringConvertible {
    public let description: String
}

/// Waits, bounded, until `look` returns a value.
public func eventually<Value>(
    _ what: String, within seconds: Double = 60, _ look: () throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while true {
        if let value = try look() { return value }
        guard ContinuousClock.now < deadline else {
            throw TimeIsUp(description: "\(seconds) s went by without \(what)")
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}
