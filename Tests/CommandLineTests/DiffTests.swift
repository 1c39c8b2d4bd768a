import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("diff", .fewAtATime)
struct DiffTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func file(_ name: String, _ content: String) throws -> String {
        let path = "\(directory.path)/\(name)"
        try Data(content.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test("The exit status is 0 for the same text, 1 for different text, and 2 for failure")
    func status() async throws {
        try await sharedmem("set", "a", "--text", "one\ntwo\n")
        #expect(try await output("diff", "a", try file("same", "one\ntwo\n")) == "")
        #expect(try await output("diff", "a", input: "one\ntwo\n") == "")
        let different = try await sharedmem("diff", "a", "-", input: "one\nthree\n")
        #expect(different.status == 1 && different.errors == "")
        let lines = different.text.split(separator: "\n")
        #expect(lines[0].hasPrefix("--- a\t") && lines[1] == "+++ -", "\(different.text)")
        #expect(lines[2...].elementsEqual(["@@ -1,2 +1,2 @@", " one", "-two", "+three"]))
        for arguments in [
            ["none", "-"], ["a", "\(directory.path)/none"], ["a", "--to", "none"], ["a", directory.path],
        ] {
            let failed = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["diff", "--directory", directory.path] + arguments)
            #expect(failed.status == 2 && failed.text == "" && failed.errors.hasPrefix("sharedmem: "), "\(failed)")
        }
        let file = "\(directory.path)/latin1"
        try Data([0x61, 0xe9]).write(to: URL(fileURLWithPath: file))
        let latin1 = try await sharedmem("diff", "a", file)
        #expect(latin1.status == 2 && latin1.errors.contains("\(file) cannot be compared. The text is not UTF-8"))
        #expect(try await sharedmem("diff", "a", "--to", "b", file).status == 64)
    }

    @Test("A missing line feed at the end is a difference, shown as diff shows it")
    func lineFeed() async throws {
        try await sharedmem("set", "a", "--text", "one")
        let result = try await sharedmem("diff", "a", input: "one\n")
        #expect(result.text.hasSuffix("@@ -1 +1 @@\n-one\n\\ No newline at end of file\n+one\n"), "\(result.text)")
    }

    @Test("What it prints makes one text into the other with patch, for texts of all kinds")
    func patch() async throws {
        var random = SplitMix(state: 7)
        for round in 0..<40 {
            let lineCount = Int(random.next() % [3, 20, 200, 3000][round % 4])
            // From few different lines to lines that are all different.
            let kinds = [2, 8, 1 << 20][round % 3]
            var old = (0..<lineCount).map { _ in "line \(random.next() % UInt64(kinds))" }
            var new = old
            for _ in 0..<1 + random.next() % 12 {
                let place = Int(random.next() % UInt64(new.count + 1))
                switch random.next() % 3 {
                case 0 where place < new.count: new.remove(at: place)
                case 1 where place < new.count: new[place] = "changed \(random.next() % 5)"
                default: new.insert("line \(random.next() % UInt64(kinds))", at: place)
                }
            }
            if round % 10 == 9 { swap(&old, &new) }
            if round % 13 == 12 { new.shuffle(using: &random) }
            let texts = [old, new].map { $0.joined(separator: "\n") + (random.next() % 2 == 0 ? "\n" : "") }
            try await sharedmem("set", "a", "--empty", input: texts[0])
            let difference = try await sharedmem("diff", "a", input: texts[1])
            #expect(difference.status == (texts[0] == texts[1] ? 0 : 1))
            let path = try file("text", texts[0])
            if texts[0] == texts[1] { continue }
            let patched = try await ChildProcess.run("patch", ["-s", path], input: difference.output)
            #expect(patched.status == 0, "\(patched.text)")
            // patch removes a file that gets empty.
            let result = FileManager.default.contents(atPath: path) ?? Data()
            #expect(result == Data(texts[1].utf8), "round \(round)")
        }
    }

    @Test("Two large texts without a line in common are compared")
    func nothingInCommon() async throws {
        let texts = ["a", "b"].map { letter in (0..<30_000).map { "\(letter)\($0 % 20_000)\n" }.joined() }
        try await sharedmem("set", "a", input: texts[0])
        let result = try await sharedmem("diff", "a", input: texts[1])
        #expect(result.status == 1)
        #expect(result.text.split(separator: "\n").count == 60_003)
    }

    @Test("A segment is compared with another, and a kept version with another or with the current text")
    func segmentsAndVersions() async throws {
        try await sharedmem("set", "a", "--text", "1\n")
        try await sharedmem("set", "b", "--text", "2\n")
        let segments = try await sharedmem("diff", "a", "--to", "b")
        #expect(segments.status == 1 && segments.text.hasSuffix("@@ -1 +1 @@\n-1\n+2\n"), "\(segments.text)")

        let keep = "\(directory.path)/keep"
        try FileManager.default.createDirectory(atPath: keep, withIntermediateDirectories: false)
        let (server, url) = try await serve(
            "a", "--listen", "127.0.0.1:0", "--keep", keep, "--keep-sync", "--keep-versions", "5")
        for text in ["first\n", "second\n"] {
            #expect(try await status(url, "-X", "PUT", "--data-binary", text) == "204")
        }
        _ = try await stop(server)
        let versions = try await output("history", "a", "--keep", keep).split(separator: "\n").dropFirst()
            .map { String($0.prefix { $0 != " " }) }.suffix(2)
        let (first, second) = try (#require(versions.first), #require(versions.last))
        try await sharedmem("set", "a", "--text", "third\n")
        let kept = try await sharedmem("diff", "a", first, second, "--keep", keep)
        #expect(kept.status == 1 && kept.text.hasSuffix("@@ -1 +1 @@\n-first\n+second\n"), "\(kept)")
        #expect(kept.text.hasPrefix("--- a\t\(first) 2"), "\(kept.text)")
        let since = try await sharedmem("diff", "a", first, "--keep", keep)
        #expect(since.status == 1 && since.text.hasSuffix("-first\n+third\n"), "\(since)")
        #expect(try await sharedmem("diff", "a", first, "--keep", keep, input: "x").status == 1)
        let missing = try await sharedmem("diff", "a", "0123456789abcdef-1", "--keep", keep)
        #expect(missing.status == 2 && missing.errors.contains("0123456789abcdef-1"), "\(missing)")
        #expect(try await sharedmem("diff", "a", first).status == 64)
    }

    @Test(
        "Colours are for terminals that have them, or on request",
        arguments: [
            ([], [:], true), (["--color", "never"], [:], false), ([], ["NO_COLOR": "1"], false),
            ([], ["TERM": "dumb"], false), (["--color", "always"], ["NO_COLOR": "1"], true),
        ] as [([String], [String: String], Bool)])
    func colors(_ arguments: [String], _ environment: [String: String], _ areExpected: Bool) async throws {
        try await sharedmem("set", "a", "--text", "1\n")
        let path = try file("text", "2\n")
        let words = ["diff", "a", path, "--directory", directory.path] + arguments
        let terminal = try TerminalProcess([ChildProcess.product("sharedmem")] + words, environment: environment)
        #expect(try await terminal.end() == 1)
        #expect(terminal.output.contains("\u{1b}[31m-1") == areExpected, "\(terminal.output.debugDescription)")
        let piped = try await ChildProcess.run(ChildProcess.product("sharedmem"), words, environment: environment)
        #expect(piped.text.contains("\u{1b}") == arguments.contains("always"))
    }
}
