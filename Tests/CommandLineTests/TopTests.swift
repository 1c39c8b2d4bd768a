import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("top", .fewAtATime)
struct TopTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let leavesScreen = "\u{1b}[?1049l"

    private func segment(_ name: String, _ text: String = "x", capacity: Int = 1 << 20) throws -> Segment {
        let segment = try Segment.attach(
            name, AttachmentOptions(lifetime: .persistent, capacity: capacity, directory: directory.path))
        try segment.set(text)
        return segment
    }

    private func top(_ arguments: String..., rows: UInt16 = 24, columns: UInt16 = 80) throws -> TerminalProcess {
        try TerminalProcess(
            [ChildProcess.product("sharedmem"), "top", "--directory", directory.path] + arguments, rows: rows,
            columns: columns)
    }

    // MARK: For scripts

    @Test("--once prints each segment with its figures, in the order asked for")
    func once() async throws {
        let first = try segment("alpha", "hello", capacity: 100)
        _ = try segment("beta", "longer text")
        try Data("junk".utf8).write(to: URL(fileURLWithPath: directory.path(of: "gamma")))
        let lines = try await output("top", "--once").split(separator: "\n").map {
            $0.split(separator: " ").map(String.init)
        }
        #expect(
            lines[0].joined(separator: " ") == "2 segments in \(directory.path), and 1 that cannot be read, by name")
        #expect(lines[1] == ["NAME", "BYTES", "CAP", "VERSION", "CHG/S", "ATT", "AGE", "BY"])
        #expect(lines[2].prefix(6) == ["alpha", "5", "100", "1", "-", "1"])
        #expect(lines[3].prefix(6) == ["beta", "11", "1M", "1", "-", "0"])
        let byBytes = try await output("top", "--once", "--sort", "bytes").split(separator: "\n")
        #expect(byBytes[2].hasPrefix("beta") && byBytes[3].hasPrefix("alpha"))
        let byAttached = try await output("top", "--once", "--sort", "attached").split(separator: "\n")
        #expect(byAttached[2].hasPrefix("alpha"))
        withExtendedLifetime(first) {}
    }

    @Test("--batch measures how often each segment changes")
    func batch() async throws {
        let segment = try segment("busy")
        _ = try self.segment("idle")
        let process = try ChildProcess(
            ChildProcess.product("sharedmem"),
            ["top", "--directory", directory.path, "--batch", "2", "--json", "--sort", "changes"])
        _ = try await process.line(beginning: "{")
        for number in 0..<20 { try segment.set("\(number)") }
        let lines = try await process.finish().text.split(separator: "\n")
        let pages = try lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        try #require(pages.count == 2)
        let rates = pages.map { page in
            (page?["segments"] as? [[String: Any]] ?? []).map {
                ($0["name"] as? String, $0["changesPerSecond"] as? Double)
            }
        }
        #expect(rates[0].map(\.0) == ["busy", "idle"] && rates[0].allSatisfy { $0.1 == nil })
        #expect(rates[1].map(\.0) == ["busy", "idle"] && rates[1][0].1 ?? 0 > 0 && rates[1][1].1 == 0)
    }

    @Test("--json goes on until nothing reads it")
    func closedPipe() async throws {
        _ = try segment("a")
        let result = try await ChildProcess.run(
            "/bin/bash",
            [
                "-c", "trap '' PIPE; \"$0\" top --json --directory \"$1\" | head -n 2 | wc -l",
                ChildProcess.product("sharedmem"),
                directory.path,
            ])
        #expect(result.text == "2\n")
    }

    @Test("Elsewhere than on a terminal, it says what to give")
    func noTerminal() async throws {
        let result = try await sharedmem("top")
        #expect(result.status == 1 && result.errors.contains("give --once, --batch or --json"))
    }

    // MARK: On a terminal

    @Test("It shows changes, new and removed segments as they come, and sorts by a key")
    func live() async throws {
        let alpha = try segment("alpha", "short")
        let terminal = try top()
        try await terminal.shows("1 segment in")
        #expect(!terminal.isCooked)
        let beta = try segment("beta", "a longer text")
        try await terminal.shows("2 segments in")
        var start = terminal.output.count
        for number in 2...7 { try alpha.set("version \(number)") }
        try await terminal.shows("alpha", after: start)
        try await terminal.shows("  7  ", after: start)
        start = terminal.output.count
        terminal.type("b")
        try await eventually("the order of bytes") { () -> Void? in
            let page = terminal.output.dropFirst(start).split(separator: "by bytes").last ?? ""
            guard let alpha = page.range(of: "alpha"), let beta = page.range(of: "beta") else { return nil }
            return beta.lowerBound < alpha.lowerBound ? () : nil
        }
        for (key, order) in [("c", "by changes"), ("a", "by attached"), ("n", "by name")] {
            start = terminal.output.count
            terminal.type(key)
            try await terminal.shows(order, after: start)
        }
        start = terminal.output.count
        try Segment.unlink("beta", directory: directory.path)
        try await terminal.shows("1 segment in", after: start)
        withExtendedLifetime(beta) {}
        terminal.type("q")
        #expect(try await terminal.end() == 0)
    }

    @Test("Whatever ends it, the terminal is as it was before", arguments: ["q", "\u{3}", "TERM", "INT", "HUP"])
    func restores(_ end: String) async throws {
        _ = try segment("alpha")
        let terminal = try top()
        try await terminal.shows("alpha")
        #expect(!terminal.isCooked && !terminal.output.contains(Self.leavesScreen))
        switch end {
        case "TERM": terminal.send(SIGTERM)
        case "INT": terminal.send(SIGINT)
        case "HUP": terminal.send(SIGHUP)
        default: terminal.type(end)
        }
        #expect(try await terminal.end() == 0)
        #expect(terminal.output.hasSuffix("\u{1b}[?25h" + Self.leavesScreen))
        #expect(terminal.isCooked)
    }

    @Test("While it is stopped, the terminal is the shell's, and continued, it draws again")
    func suspended() async throws {
        _ = try segment("alpha")
        let script = "set -m; \"$0\" top --directory \"$1\"; echo STOPPED; read; fg >/dev/null; echo \"ENDED $?\""
        let terminal = try TerminalProcess(["bash", "-c", script, ChildProcess.product("sharedmem"), directory.path])
        try await terminal.shows("alpha")
        terminal.type("\u{1a}")
        try await terminal.shows("STOPPED")
        #expect(terminal.isCooked && terminal.output.contains(Self.leavesScreen))
        let start = terminal.output.count
        terminal.type("\n")
        try await terminal.shows("alpha", after: start)
        try await eventually("the screen") { terminal.isCooked ? nil : () }
        terminal.type("q")
        try await terminal.shows("ENDED 0", after: start)
        #expect(try await terminal.end() == 0)
        #expect(terminal.isCooked)
    }

    @Test("It fits the window, and follows its size")
    func resized() async throws {
        for number in 10..<40 { _ = try segment("segment-with-a-rather-long-name-\(number)") }
        let terminal = try top(rows: 10, columns: 60)
        try await terminal.shows("q quit")
        let small = terminal.output
        #expect(small.contains("segment-with-a-rather-long-name-1") == false && small.contains("segmen"))
        for line in small.split(separator: "\r\n").dropLast() {
            #expect(line.replacing(/\u{1b}\[[?0-9;]*[A-Za-z]/, with: "").count <= 60, "\(line)")
        }
        let start = terminal.output.count
        terminal.resize(rows: 50, columns: 150)
        try await terminal.shows("segment-with-a-rather-long-name-39", after: start)
        terminal.type("q")
        #expect(try await terminal.end() == 0)
    }
}
