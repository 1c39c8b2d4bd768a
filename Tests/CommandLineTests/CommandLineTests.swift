import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("Command line", .fewAtATime)
struct CommandLineTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("set and get carry the text byte for byte, from an option and from standard input")
    func setAndGet() async throws {
        for text in ["Esta es una cadena de prueba", "no line feed", "one\n", "\r\n\n", "ñ 東京 🦤", ""] {
            #expect(try await output("set", "--text", text) == "")
            #expect(try await output("get") == text)
            #expect(try await output("set", input: text + "!") == "")
            #expect(try await output("get", "shared") == text + "!")
        }
        let large = String(repeating: "0123456789abcdef", count: 1 << 16)
        #expect(try await output("set", "large", input: large) == "")
        #expect(try await output("get", "--name", "large") == large)
    }

    @Test("The command line and the library share the text and the count of versions")
    func agreesWithLibrary() async throws {
        let segment = try Segment.attach("shared", AttachmentOptions(directory: directory.path))
        let first = try segment.set("from the library")
        #expect(try await output("get") == "from the library")
        let result = try await sharedmem("set", "-v", "--text", "from the command line")
        #expect(result.status == 0)
        let second = try #require(Version(result.errors.trimmingCharacters(in: .newlines)))
        #expect(second == Version(instance: first.instance, number: 2))
        #expect(try segment.snapshot().version == second)
        #expect(try segment.get() == "from the command line")
        #expect(try await sharedmem("get", "-v").errors == "\(second)\n")
    }

    @Test("The text outlives the command that set it, until the segment is unlinked")
    func persists() async throws {
        try await sharedmem("set", "--text", "here")
        #expect(try Segment.info("shared", directory: directory.path).lifetime == .persistent)
        #expect(try await output("unlink", "shared") == "")
        #expect(try directory.names == [])
    }

    @Test("--if-version sets only if that version is current")
    func ifVersion() async throws {
        let version = try await sharedmem("set", "-v", "--text", "1").errors.trimmingCharacters(in: .newlines)
        #expect(try await output("set", "--text", "2", "--if-version", version) == "")
        let late = try await sharedmem("set", "--text", "3", "--if-version", version)
        #expect(late.status == 1)
        #expect(late.errors.hasPrefix("sharedmem: The text has changed: its version is "))
        #expect(try await output("get") == "2")
    }

    @Test("Text that the segment cannot take is refused, and the old text stays")
    func refuses() async throws {
        #expect(try await output("set", "small", "--capacity", "5", "--text", "12345") == "")
        for (input, reason) in [
            ("123456", "longer than the segment's capacity of 5 bytes"), ("a\u{0}b", "U+0000 at offset 1"),
        ] {
            let result = try await sharedmem("set", "small", input: input)
            #expect(result.status == 1 && result.errors.contains(reason), "\(result.errors)")
        }
        let bad = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["set", "small", "--directory", directory.path], input: Data([65, 0xff]))
        #expect(bad.status == 1 && bad.errors.contains("offset 1"))
        #expect(try await output("get", "small") == "12345")
    }

    @Test("If there is no such segment, the error names the directory and its segments, and nothing is created")
    func notFound() async throws {
        try await sharedmem("set", "other", "--text", "x")
        for arguments in [["get", "none"], ["info", "none"]] {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), arguments + ["--directory", directory.path])
            #expect(result.status == 1)
            #expect(result.output.isEmpty)
            #expect(
                result.errors.hasPrefix(
                    "sharedmem: There is no segment 'none' in \(directory.path) (segments there: other)"),
                "\(result.errors)")
        }
        #expect(try directory.names == ["other.sharedmem"])
    }

    @Test("unlink of a name that does not exist says no more than that, and names the segment that may be meant")
    func unlinkNothing() async throws {
        let none = "sharedmem: There is no segment 'nope' in \(directory.path)."
        #expect(try await sharedmem("unlink", "nope").errors == none + "\n")
        for name in ["noope", "other"] { try await sharedmem("set", name, "--text", "x") }
        let result = try await sharedmem("unlink", "nope")
        #expect(result.status == 1 && result.errors == none + " Did you mean 'noope'?\n", "\(result.errors)")
        #expect(try directory.names == ["noope.sharedmem", "other.sharedmem"])
    }

    @Test(
        "Wrong usage exits with status 64",
        arguments: [
            ["get", "a", "--name", "b"], ["set", "--if-version", "5"], ["fly"], ["set", "--capacity", "x"],
            ["set", "--mode", "999"], ["unlink"], ["serve", "--listen", "nowhere"], ["get", ".hidden"],
            ["set", "--capacity", "0", "--text", "x"], ["serve", "--threads", "0"], ["list", "--directory", ""],
        ])
    func wrongUsage(_ arguments: [String]) async throws {
        let place = arguments.contains("--directory") ? [] : ["--directory", directory.path]
        let isKnown = ["get", "set", "serve", "unlink"].contains(arguments[0])
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), arguments + (isKnown ? place : []))
        #expect(result.status == 64, "\(result.errors)")
        #expect(result.errors.hasPrefix("Error: ") || result.errors.hasPrefix("sharedmem: "), "\(result.errors)")
        #expect(try directory.names == [])
    }

    @Test("Text on the command line that is not UTF-8 is refused, not repaired")
    func argumentNotUTF8() async throws {
        let script = "\"$0\" set --directory \"$1\" --text $(printf 'a\\377b')"
        let result = try await ChildProcess.run(
            "/bin/bash", ["-c", script, ChildProcess.product("sharedmem"), directory.path])
        #expect(result.status == 64 && result.errors.contains("not UTF-8"), "\(result.errors)")
        #expect(try directory.names == [])
    }

    @Test("Failing to write the whole text is an error")
    func fullOutput() async throws {
        try await sharedmem("set", "--text", "x")
        let script = "\"$0\" get --directory \"$1\" >/dev/full"
        let result = try await ChildProcess.run(
            "/bin/bash", ["-c", script, ChildProcess.product("sharedmem"), directory.path])
        #expect(result.status == 1)
        #expect(result.errors == "sharedmem: write: No space left on device\n")
    }

    @Test("A segment that stays busy exits with status 75")
    func busy() async throws {
        // An unlink waits for a second for the name lock, which another process holds.
        let segment = try Segment.attach("shared", AttachmentOptions(lifetime: .persistent, directory: directory.path))
        let script = """
            import fcntl, os, struct, sys
            descriptor = os.open(sys.argv[1], os.O_RDWR)
            fcntl.fcntl(descriptor, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 1, 0))
            print("locked", flush=True)
            sys.stdin.read()
            """
        let locker = try ChildProcess("python3", ["-c", script, segment.path])
        _ = try await locker.line(beginning: "locked")
        let result = try await sharedmem("unlink", "shared")
        #expect(result.status == 75, "\(result.errors)")
        #expect(result.errors.contains("try again"))
        #expect(try directory.names == ["shared.sharedmem"])
    }

    @Test("The names of attached programs cannot control the terminal")
    func programName() async throws {
        let link = "\(ChildProcess.productDirectory)/\u{1b}[2Jevil"
        try? FileManager.default.removeItem(atPath: link)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: ProbeCommand.executable)
        defer { try? FileManager.default.removeItem(atPath: link) }
        let program = try ChildProcess(link, ProbeCommand.hold().arguments(directory.path, "text"))
        _ = try await program.line(beginning: "attached")
        #expect(try await output("info", "text").contains("\u{fffd}[2Jevil, process \(program.processID)"))
        #expect(try await !output("info", "text", "--json").contains("\u{1b}"))
    }

    @Test("info and list say the same as the library, as text and as JSON")
    func infoAndList() async throws {
        #expect(try await sharedmem("list").errors == "There are no segments in \(directory.path).\n")
        #expect(try await output("list", "--json") == "[\n\n]\n")
        let segment = try Segment.attach("alpha", AttachmentOptions(capacity: 100, directory: directory.path))
        let version = try segment.set("hello")
        try await sharedmem("set", "beta", "--text", "x")
        try Data("junk".utf8).write(to: URL(fileURLWithPath: directory.path(of: "gamma")))

        let page = try await output("info", "alpha")
        for line in [
            "name      alpha", "path      \(segment.path)", "capacity  100 bytes", "text      5 bytes",
            "version   \(version)", "lifetime  while attached", "mode      600, owner \(geteuid()), group \(getegid())",
            "memory    16384 bytes", "pins      0 of 1024", "rows      1 of 1024", "attached  1",
        ] {
            #expect(page.contains(line + "\n"), "\(line)")
        }
        #expect(page.contains(", process \(getpid()), since 2"))

        let object = try await output("info", "alpha", "--json")
        let json = try #require(try JSONSerialization.jsonObject(with: Data(object.utf8)) as? [String: Any])
        #expect(json["version"] as? String == "\(version)")
        #expect(json["capacity"] as? Int == 100 && json["byteCount"] as? Int == 5)
        #expect(((json["attached"] as? [[String: Any]])?.first?["processID"] as? Int) == Int(getpid()))

        let table = try await output("list").split(separator: "\n")
        #expect(table.count == 4)
        #expect(table[1].hasPrefix("alpha  5      100       1         \(version)"))
        #expect(table[2].hasPrefix("beta   1      1048576   0         "))
        #expect(table[3].hasPrefix("gamma  \(directory.path(of: "gamma")) is not a segment"))
        let array = try await output("list", "--json")
        let list = try #require(try JSONSerialization.jsonObject(with: Data(array.utf8)) as? [[String: Any]])
        #expect(list.map { $0["name"] as? String } == ["alpha", "beta", "gamma"])
        #expect(list[2]["error"] != nil && list[2]["info"] == nil)
    }

    @Test("unlink works under any file size limit, and marks the segment for attached processes")
    func unlinkUnderFileSizeLimit() async throws {
        try await sharedmem("set", "--text", "x")
        let segment = try Segment.attach("shared", AttachmentOptions(directory: directory.path))
        let file = try #require(FileHandle(forReadingAtPath: segment.path))
        let result = try await ChildProcess.run(
            "/bin/bash",
            [
                "-c", "ulimit -f 0; exec \"$0\" unlink shared --directory \"$1\"",
                ChildProcess.product("sharedmem"), directory.path,
            ])
        #expect(result.status == 0 && !result.wasKilled)
        #expect(try segment.isUnlinked)
        try file.seek(toOffset: UInt64(SegmentFormat.stateOffset + 4))
        #expect(try file.read(upToCount: 4) == Data([1, 0, 0, 0]))
    }

    @Test("--mode sets the file's permissions, whatever the umask")
    func mode() async throws {
        try await sharedmem("set", "--mode", "640", "--text", "x")
        #expect(try Segment.info("shared", directory: directory.path).mode == 0o640)
    }

    @Test("A reader that closes the pipe is not a failure")
    func closedPipe() async throws {
        try await sharedmem("set", input: String(repeating: "x", count: 1 << 20))
        let result = try await ChildProcess.run(
            "/bin/bash",
            [
                "-c", "\"$0\" get --directory \"$1\" | head -c 1; echo \" ${PIPESTATUS[0]}\"",
                ChildProcess.product("sharedmem"), directory.path,
            ])
        #expect(["x 0\n", "x 141\n"].contains(result.text), "\(result.text)")
    }
}
