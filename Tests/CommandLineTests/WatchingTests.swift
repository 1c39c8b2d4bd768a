import Foundation
import SharedMemory
import TestSupport
import Testing

/// What the tests of `watch` share.
protocol WatchingTests {
    var directory: TemporaryDirectory { get }
}

extension WatchingTests {
    /// Arguments for setpriv(1) that run a command as an unrelated user.
    static var asUser: [String] { ["--reuid", "12345", "--regid", "12345", "--clear-groups"] }

    func segment() throws -> Segment {
        try Segment.attach(
            "text", AttachmentOptions(lifetime: .persistent, capacity: 1 << 26, directory: directory.path))
    }

    func watch(_ arguments: String..., environment: [String: String] = [:]) throws -> ChildProcess {
        try watch(arguments, environment: environment)
    }

    func watch(_ arguments: [String], environment: [String: String] = [:]) throws -> ChildProcess {
        try ChildProcess(
            ChildProcess.product("sharedmem"), ["watch", "text", "--directory", directory.path] + arguments,
            environment: environment)
    }

    /// Runs a shell script in which `watch` runs the command, and `$directory` is the segment's directory.
    func run(_ script: String) async throws -> ChildProcess.Finished {
        let head = """
            sharedmem=$1 directory=$2
            export SHAREDMEM_DIRECTORY=$directory SHAREDMEM_NAME=text
            watch() { exec "$sharedmem" watch "$@"; }
            set_text() { "$sharedmem" set --text "$1"; }
            until_there() { for ((i = 0; i < 1000; i++)); do [ -e "$1" ] && return; sleep 0.01; done; echo "no $1"; }

            """
        return try await ChildProcess.run(
            "/bin/bash", ["-c", head + script, "bash", ChildProcess.product("sharedmem"), directory.path])
    }

    /// Waits until the watch has printed exactly this.
    func printed(_ text: String, by watch: ChildProcess) async throws {
        do {
            try await eventually("'\(text)'", within: 30) { watch.outputSoFar == text ? () : nil }
        } catch {
            Issue.record("\(error), but: '\(watch.outputSoFar)'")
            throw error
        }
    }

    func isAttached(_ watch: ChildProcess) async throws {
        try await eventually("its attachment") {
            let processes = try Segment.processes("text", directory: directory.path)
            return processes.contains { $0.processID == Int(watch.processID) } ? () : nil
        }
    }

    /// Ends the watch as a service manager does.
    func end(_ watch: ChildProcess) async throws -> ChildProcess.Finished {
        watch.send(SIGTERM)
        let result = try await watch.finish(within: 10)
        #expect(result.status == 0 && !result.wasKilled, "\(result.errors)")
        return result
    }

    /// Creates the file that a killed process leaves: intact, with nobody attached.
    func leaveBehind() async throws {
        let child = try ChildProcess.probe(.hold(), directory)
        _ = try await child.line(beginning: "attached ")
        child.kill()
        _ = try await child.finish()
        #expect(try directory.names == ["text.sharedmem"])
    }
}
