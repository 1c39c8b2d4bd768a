import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// What `serve` writes on standard error.
@Suite("Log", .fewAtATime)
struct LogTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func awaitLog(_ text: String, of server: ChildProcess) async throws {
        let _: Bool = try await eventually("'\(text)'") { server.errorsSoFar.contains(text) ? true : nil }
    }

    @Test("Where standard error is no terminal, each entry is a JSON object on a line")
    func json() async throws {
        let (server, url) = try await serve("--listen", "127.0.0.1:0", "--access-log")
        #expect(try await status(url, "-X", "PUT", "-d", "a \"text\"") == "204")
        #expect(try await status(url + "/%22%5C%01", "-H", "X-Request-ID: \"\\") == "404")
        try await awaitLog("request_id", of: server)
        let lines = try await stop(server).errors.split(separator: "\n")
        #expect(lines.count == 3)
        let entries = try lines.map { try JSONDecoder().decode([String: String].self, from: Data($0.utf8)) }
        for entry in entries {
            let time = try #require(entry["time"])
            _ = try Date(time, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            #expect(entry["level"] == "info")
        }
        #expect(entries[0]["message"] == "text set" && entries[0]["segment"] == "shared" && entries[0]["bytes"] == "8")
        #expect(entries[1]["message"] == "request" && entries[1]["status"] == "204")
        #expect(entries[2]["target"] == "/shared/%22%5C%01" && entries[2]["request_id"] == "\"\\")
    }

    @Test("As text, an entry is a line for people, without what could command their terminal")
    func text() async throws {
        let (server, url) = try await serve("--listen", "127.0.0.1:0", "--log-format", "text")
        #expect(try await status(url) == "200")
        let program = "\(directory.path)/a\u{1b}[2J"
        try FileManager.default.createSymbolicLink(
            atPath: program, withDestinationPath: ChildProcess.product("sharedmem"))
        let result = try await ChildProcess.run(program, ["set", "--text", "x", "--directory", directory.path])
        #expect(result.status == 0)
        try await awaitLog("text set", of: server)
        let errors = try await stop(server).errors
        let line = #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info: text set bytes=1 .* program=a\u{fffd}\[2J .*\n/#
        #expect(errors.wholeMatch(of: line) != nil, "\(errors)")
    }

    @Test("A log that is not read, and has no room for more, delays no request and no shutdown")
    func blocked() async throws {
        let fifo = "\(directory.path)/pipe"
        try #require(mkfifo(fifo, 0o600) == 0)
        let reader = open(fifo, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let script = "exec \"$0\" serve --listen 127.0.0.1:0 --access-log --directory \"$1\" 2>\"$2\""
        let server = try ChildProcess("sh", ["-c", script, ChildProcess.product("sharedmem"), directory.path, fifo])
        let address = try #require(URLComponents(string: try await server.line(beginning: "listening on ")))
        let client = try RawClient(host: "127.0.0.1", port: UInt16(try #require(address.port)))
        // More than the pipe and the server's own memory for the log hold.
        for _ in 0..<10_000 { #expect(try client.request("GET").status == 200) }
        server.send(SIGTERM)
        #expect(try await server.finish().status == 0)
    }

    @Test("A terminal that goes away takes nothing with it")
    func closed() async throws {
        let script = "exec \"$0\" serve --listen 127.0.0.1:0 --access-log --directory \"$1\" 2>&1 >&3 | :"
        let server = try ChildProcess(
            "sh", ["-c", "exec 3>&1; \(script)", ChildProcess.product("sharedmem"), directory.path])
        let url = try await server.line(beginning: "listening on ")
        for _ in 0..<3 { #expect(try await status(url) == "200") }
        let pid = try #require(EverydayUseTests.children(of: Int(server.processID)).first)
        kill(pid_t(pid), SIGTERM)
        #expect(try await server.finish().status == 0)
    }
}
