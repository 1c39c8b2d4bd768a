import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("Progress", .fewAtATime)
struct ProgressTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Sets the text from a pipe that stays open until a line is typed.
    private func slowSet(_ environment: [String: String] = [:], redirection: String = "") throws -> TerminalProcess {
        let script =
            "(printf 12345; read <&3) 3<&0 | \"$0\" set a --directory \"$1\" \(redirection); echo \"STATUS $?\""
        return try TerminalProcess(
            ["bash", "-c", script, ChildProcess.product("sharedmem"), directory.path], environment: environment)
    }

    @Test("Input that is slow to come is counted on a line that is erased at the end")
    func slowInput() async throws {
        let terminal = try slowSet()
        try await terminal.shows("\r\u{1b}[KReading standard input, bytes: 5 …")
        terminal.type("\n")
        #expect(try await terminal.end() == 0)
        #expect(terminal.output.hasSuffix("\r\u{1b}[KSTATUS 0\r\n"), "\(terminal.output.debugDescription)")
        #expect(try await output("get", "a") == "12345")
    }

    @Test(
        "The line is only for a terminal that can erase it",
        arguments: [([:], "", true), ([:], "2>err", false), (["TERM": "dumb"], "", false)]
            as [([String: String], String, Bool)])
    func terminals(_ environment: [String: String], _ redirection: String, _ isExpected: Bool) async throws {
        // The input has no end, and the shell becomes the command.
        let script = """
            cd "$1"; mkfifo input; exec 3<>input
            exec "$0" set a --directory "$1" <&3 \(redirection)
            """
        let terminal = try TerminalProcess(
            ["bash", "-c", script, ChildProcess.product("sharedmem"), directory.path], environment: environment)
        let place = "/proc/\(terminal.processID)"
        // It reads descriptor 0: by then, it has the thread that shows the line, or will never have it.
        try await eventually("reading") { () -> Void? in
            let isCommand = try String(contentsOfFile: "\(place)/comm", encoding: .utf8) == "sharedmem\n"
            return try isCommand && String(contentsOfFile: "\(place)/syscall", encoding: .utf8).hasPrefix("0 0x0 ")
                ? () : nil
        }
        let threads = try FileManager.default.contentsOfDirectory(atPath: "\(place)/task")
        #expect((threads.count > 1) == isExpected)
    }
}
