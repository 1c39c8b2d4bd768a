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
            until_taken() {
                for ((i = 0; i < 1000; i++)); do
                    [ -e /proc/$1/status ] && grep -q '^ShdPnd:.*[1-9a-f]' /proc/$1/status || return
                    sleep 0.01
                done
            }
            until_there() { for ((i = 0; i < 1000; i++)); do [ -e "$1" ] && return; sleep 0.01; done; echo "no $1"; }

            """
        return try await ChildProcess.run(
            "/bin/bash", ["-c", head + script, "bash", ChildProcess.product("sharedmem"), directory.path])
    }

    /// Waits until the watch has printed exactly this.
    func printed(_ text: String, by watch: ChildProcess) async throws {
        do {
            try await eventually("'\(text)'") { watch.outputSoFar == text ? () : nil }
        } catch {
            Issue.record("\(error), but: '\(watch.outputSoFar)'")
            throw error
        }
    }

    /// Waits until the watch takes this signal as a request, and sleeps.
    func sleeps(_ watch: ChildProcess, handling signal: CInt = SIGTERM) async throws {
        try await eventually("its waiting for signals") {
            let status = try status(of: watch)
            let handled = status["SigCgt"].flatMap { UInt64($0, radix: 16) } ?? 0
            return handled >> UInt64(signal - 1) & 1 == 1 && status["State"]?.hasPrefix("S") == true ? () : nil
        }
    }

    /// Waits until the watch has taken the signals that were sent to it.
    func hasTakenSignals(_ watch: ChildProcess) async throws {
        try await eventually("its handling of a signal") {
            try status(of: watch)["ShdPnd"]?.allSatisfy { $0 == "0" } == true ? () : nil
        }
    }

    /// Waits until the watch has left a segment that has no name any more.
    func hasLeftRemovedSegment(_ watch: ChildProcess) async throws {
        try await eventually("its detaching") {
            let maps = try String(contentsOfFile: "/proc/\(watch.processID)/maps", encoding: .utf8)
            return maps.contains(".sharedmem (deleted)") ? nil : ()
        }
    }

    private func status(of watch: ChildProcess) throws -> [String: String] {
        let text = try String(contentsOfFile: "/proc/\(watch.processID)/status", encoding: .utf8)
        let fields = text.split(separator: "\n").map { $0.split(separator: ":", maxSplits: 1) }
        return Dictionary(
            fields.map { (String($0[0]), $0.last?.trimmingCharacters(in: .whitespaces) ?? "") },
            uniquingKeysWith: { $1 })
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
        let result = try await watch.finish()
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
