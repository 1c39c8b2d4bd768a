import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("edit", .fewAtATime)
struct EditTests: CommandTests {
    let directory: TemporaryDirectory
    /// For temporary files.
    private var scratch: String { "\(directory.path)/tmp" }

    init() throws {
        directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: false)
    }

    private func environment(_ editor: String?) throws -> [String: String] {
        var variables = [
            "SHAREDMEM_DIRECTORY": directory.path, "TMPDIR": scratch, "EDITOR": "", "VISUAL": "",
            "COUNT": scratch + "-n",
            "SHAREDMEM": ChildProcess.product("sharedmem"),
        ]
        if let editor {
            let script = "\(directory.path)/editor"
            try Data(
                "#!/bin/bash\n# An editor that counts its runs.\necho >>\"$COUNT\"; run=$(wc -l <\"$COUNT\")\n\(editor)\n"
                    .utf8
            )
            .write(to: URL(fileURLWithPath: script))
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: script)
            variables["EDITOR"] = script
        }
        return variables
    }

    /// Edits without a terminal.
    private func edit(_ editor: String?, _ arguments: String...) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["edit"] + arguments, environment: try environment(editor))
    }

    private func onTerminal(_ editor: String, _ arguments: String...) throws -> TerminalProcess {
        try TerminalProcess(
            [ChildProcess.product("sharedmem"), "edit"] + arguments, environment: try environment(editor))
    }

    /// The contents of the files that were kept.
    private func keptTexts() throws -> [String] {
        let files = FileManager.default.enumerator(atPath: scratch)?.compactMap { "\(scratch)/\($0)" } ?? []
        return try files.filter {
            !$0.hasSuffix("sharedmem-") && (try? FileManager.default.contentsOfDirectory(atPath: $0)) == nil
        }
        .map { try String(contentsOfFile: $0, encoding: .utf8) }
    }

    // MARK: Without a terminal

    @Test("What the editor leaves becomes the text, and the temporary file is removed")
    func saves() async throws {
        try await sharedmem("set", "a", "--text", "one\ntwo\n")
        let result = try await edit("sed -i s/two/three/ \"$1\"; touch \"$1~\"", "a", "-v")
        #expect(result.status == 0 && result.text == "", "\(result.errors)")
        let version = try #require(Version(result.errors.trimmingCharacters(in: .newlines)))
        #expect(version.number == 2)
        #expect(try await output("get", "a") == "one\nthree\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch) == [])
        let json = try await edit("echo four >\"$1\"", "a", "--json")
        #expect(json.text.contains("\"version\" : \"") && json.text.contains("-3\""), "\(json.text)")
    }

    @Test("Unchanged text sets nothing and creates no segment")
    func unchanged() async throws {
        try await sharedmem("set", "a", "--text", "one")
        let version = try Segment.info("a", directory: directory.path).version
        for name in ["a", "new"] {
            let result = try await edit("true", name)
            #expect(result.status == 0 && result.errors == "The text is unchanged, so nothing was set.\n")
        }
        #expect(try Segment.info("a", directory: directory.path).version == version)
        #expect(try !directory.names.contains("new.sharedmem"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch) == [])
    }

    @Test("A line feed that the editor adds at the end is no change, and is not set")
    func lineFeed() async throws {
        try await sharedmem("set", "a", "--text", "one")
        #expect(try await edit("echo >>\"$1\"", "a").errors.contains("unchanged"))
        #expect(try await edit("echo two >\"$1\"", "a").status == 0)
        #expect(try await output("get", "a") == "two")
        try await sharedmem("set", "a", "--text", "one\n")
        #expect(try await edit("printf three >\"$1\"", "a").status == 0)
        #expect(try await output("get", "a") == "three")
    }

    @Test("A segment that does not exist is created with what was written")
    func creates() async throws {
        #expect(try await edit("echo new >\"$1\"", "new", "--capacity", "100").status == 0)
        #expect(try await output("get", "new") == "new\n")
        #expect(try Segment.info("new", directory: directory.path).capacity == 100)
    }

    @Test(
        "The file's name tells the editor what the text is, and only this user can read it",
        arguments: [
            ("a", "x = 1", "a.txt"), ("a", "{\"x\": 1}", "a.json"), ("a.yaml", "x: 1", "a.yaml"),
            ("v1.2", "x", "v1.2.txt"),
        ])
    func fileName(_ name: String, _ text: String, _ fileName: String) async throws {
        try await sharedmem("set", name, "--text", text)
        let result = try await edit("basename \"$1\"; stat -c %a \"$1\" \"$(dirname \"$1\")\"", name)
        #expect(result.text == "\(fileName)\n600\n700\n")
    }

    @Test("An editor that fails abandons the changes, which are kept")
    func editorFails() async throws {
        try await sharedmem("set", "a", "--text", "one")
        let result = try await edit("echo changed >\"$1\"; exit 3", "a")
        #expect(
            result.status == 1
                && result.errors.contains("ended with status 3, so nothing was set. Your text is in \(scratch)/"))
        #expect(try await output("get", "a") == "one")
        #expect(try keptTexts() == ["changed\n"])
        let unchanged = try await edit("kill -9 $$", "b")
        #expect(unchanged.status == 1 && !unchanged.errors.contains("Your text"), "\(unchanged.errors)")
        #expect(try keptTexts() == ["changed\n"])
    }

    @Test(
        "What a failed editor has left is kept, wherever it is",
        arguments: [
            "echo work >\"$(dirname \"$1\")/.a.txt.swp\"; kill -9 $$", "echo work >\"$1\"; mv \"$1\" \"$1~\"; exit 1",
            "printf 'e\\xcc\\x81' >\"$1\"; exit 1",
        ])
    func leftovers(_ editor: String) async throws {
        try await sharedmem("set", "a", "--text", "\u{e9}")
        let result = try await edit(editor, "a")
        #expect(result.status == 1 && result.errors.contains("Your text is in \(scratch)/"), "\(result.errors)")
        #expect(try keptTexts().contains { $0 == "work\n" || $0.utf8.count == 3 })
    }

    @Test("Text that is too long creates no segment")
    func tooLongForNew() async throws {
        let result = try await edit("seq 100 >\"$1\"", "new", "--capacity", "20")
        #expect(result.status == 1 && result.errors.contains("capacity is 20"), "\(result.errors)")
        #expect(try !directory.names.contains("new.sharedmem"))
    }

    @Test("Without a terminal and without EDITOR, it does not start vi")
    func noTerminal() async throws {
        let result = try await edit(nil, "a")
        #expect(result.status == 1 && result.errors.contains("There is no terminal for an editor"), "\(result.errors)")
    }

    @Test("Without a terminal to ask on, a conflict or text that cannot be set keeps the file")
    func cannotAsk() async throws {
        try await sharedmem("set", "a", "--capacity", "20", "--text", "one\n")
        let conflict = try await edit("\"$SHAREDMEM\" set a --text theirs; echo mine >\"$1\"", "a")
        #expect(conflict.status == 1, "\(conflict)")
        for part in [
            "-theirs", "+mine", "Another process set the text while you edited it", "Your text is in \(scratch)/",
        ] {
            #expect(conflict.errors.contains(part), "\(conflict.errors)")
        }
        #expect(try await output("get", "a") == "theirs")
        #expect(try keptTexts() == ["mine\n"])
        let long = try await edit("seq 100 >\"$1\"", "a")
        #expect(long.status == 1 && long.errors.contains("capacity is 20") && long.errors.contains("Your text is in"))
        let gone = try await edit("\"$SHAREDMEM\" unlink a; echo mine >\"$1\"", "a")
        #expect(gone.status == 1 && gone.errors.contains("Another process unlinked the segment"), "\(gone)")
        #expect(try !directory.names.contains("a.sharedmem"))
    }

    // MARK: On a terminal

    /// Sets the text behind the editor's back at its first run, and changes its own text.
    private static let race = """
        if [ $run = 1 ]; then
            "$SHAREDMEM" set a --text "$(sed 's/^5$/theirs/; s/^9$/nine/' "$1")"$'\\n'; sed -i 's/^5$/mine/; s/^1$/first/' "$1"
        else
            cp "$1" "$COUNT-seen"; sed -i '/^<<<<<<< /d; /^||||||| /,/^>>>>>>> /d' "$1"
        fi
        """

    @Test("If another writer was faster, a merge of both can be edited, with markers like those of diff3")
    func merge() async throws {
        try await sharedmem("set", "a", input: (1...9).map { "\($0)\n" }.joined())
        let opened = try Segment.info("a", directory: directory.path).version
        let terminal = try onTerminal(Self.race, "a")
        try await terminal.shows("? ")
        #expect(terminal.output.contains("-theirs") && terminal.output.contains("+mine"))
        terminal.type("e\n")
        #expect(try await terminal.end() == 0, "\(terminal.output)")
        #expect(try await output("get", "a") == "first\n2\n3\n4\nmine\n6\n7\n8\nnine\n")
        let theirs = Version(instance: opened.instance, number: 2)
        let seen = try String(contentsOfFile: scratch + "-n-seen", encoding: .utf8)
        let conflict = "<<<<<<< yours\nmine\n||||||| \(opened)\n5\n=======\ntheirs\n>>>>>>> \(theirs)\n"
        #expect(seen == "first\n2\n3\n4\n\(conflict)6\n7\n8\nnine\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch) == [])
    }

    @Test("If another writer was faster, the text can be overwritten, but not a third one that was not shown")
    func overwrite() async throws {
        try await sharedmem("set", "a", input: "5\n")
        let terminal = try onTerminal(Self.race, "a")
        try await terminal.shows("? ")
        try await sharedmem("set", "a", "--text", "third")
        let start = terminal.output.count
        terminal.type("o\n")
        try await terminal.shows("-third", after: start)
        try await terminal.shows("? ", after: start + 20)
        #expect(try await output("get", "a") == "third")
        terminal.type("o\n")
        #expect(try await terminal.end() == 0)
        #expect(try await output("get", "a") == "mine\n")
    }

    @Test("Abandoned changes are kept in the file that is named", arguments: ["a\n", "\u{4}"])
    func abandon(_ keys: String) async throws {
        try await sharedmem("set", "a", input: "5\n")
        let terminal = try onTerminal(Self.race, "a")
        try await terminal.shows("? ")
        terminal.type(keys)
        #expect(try await terminal.end() == 1)
        #expect(terminal.output.contains("Nothing was set. Your text is in \(scratch)/"), "\(terminal.output)")
        #expect(try await output("get", "a") == "theirs\n")
        #expect(try keptTexts() == ["mine\n"])
    }

    @Test("Markers that are left in the text are asked about")
    func markers() async throws {
        try await sharedmem("set", "a", input: "5\n")
        let editor = "if [ $run = 1 ]; then \"$SHAREDMEM\" set a --text theirs; fi; echo mine >>\"$1\""
        let terminal = try onTerminal(editor, "a")
        try await terminal.shows("? ")
        let start = terminal.output.count
        terminal.type("e\n")
        try await terminal.shows("still contains conflict markers", after: start)
        terminal.type("s\n")
        #expect(try await terminal.end() == 0)
        #expect(try await output("get", "a").hasPrefix("<<<<<<< yours\n"))
    }

    @Test("A merge keeps the line feed that another writer has set at the end")
    func mergedEnd() async throws {
        try await sharedmem("set", "a", "--text", "x\ny\nz")
        let editor = """
            [ $run = 1 ] || exit 0
            printf 'x\\ny\\nz\\nw\\n' | "$SHAREDMEM" set a; printf 'v\\nx\\ny\\nz' >"$1"
            """
        let terminal = try onTerminal(editor, "a")
        try await terminal.shows("? ")
        terminal.type("edit a merge\n")
        #expect(try await terminal.end() == 0, "\(terminal.output)")
        #expect(try await output("get", "a") == "v\nx\ny\nz\nw\n")
    }

    @Test(
        "If a merge cannot be written, the text is as the person left it",
        .enabled("mounts a tmpfs") {
            await MountNamespace.isPermitted()
        })
    func fullDisk() async throws {
        try await sharedmem("set", "a", "--text", String(repeating: "line\n", count: 1000))
        let editor = "echo mine >>\"$1\"; seq 2000 | \"$SHAREDMEM\" set a"
        let script = """
            mount -t tmpfs -o size=16k none "$TMPDIR" && { "$0" edit a; tail -n 1 "$TMPDIR"/*/a.txt; }
            """
        let terminal = try TerminalProcess(
            ["unshare", "--mount", "sh", "-c", script, ChildProcess.product("sharedmem")],
            environment: try environment(editor))
        try await terminal.shows("? ")
        terminal.type("edit a merge\n")
        #expect(try await terminal.end() == 0, "\(terminal.output)")
        #expect(terminal.output.contains("No space left") && terminal.output.contains("mine\r\n"), "\(terminal.output)")
    }

    @Test(
        "Text that the segment cannot take can be edited again",
        arguments: [
            ("seq 100", "capacity is 20"), ("printf 'a\\377b'", "not UTF-8: the byte at offset 1"),
            ("printf 'a\\0b'", "U+0000 at offset 1"),
        ])
    func refused(_ command: String, _ problem: String) async throws {
        try await sharedmem("set", "a", "--capacity", "20", "--text", "one\n")
        let editor = "if [ $run = 1 ]; then \(command) >\"$1\"; else echo short >\"$1\"; fi"
        let terminal = try onTerminal(editor, "a")
        try await terminal.shows("? ")
        #expect(terminal.output.contains(problem), "\(terminal.output)")
        terminal.type("e\n")
        #expect(try await terminal.end() == 0)
        #expect(try await output("get", "a") == "short\n")
    }

    @Test("Ctrl-C in the editor is the editor's")
    func interrupt() async throws {
        let editor = "trap 'echo interrupted >\"$1\"; exit 0' INT; echo ready; while :; do sleep 0.05; done"
        let terminal = try onTerminal(editor, "a")
        try await terminal.shows("ready")
        terminal.type("\u{3}")
        #expect(try await terminal.end() == 0, "\(terminal.output)")
        #expect(try await output("get", "a") == "interrupted\n")
    }
}
