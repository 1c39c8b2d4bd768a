import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// What people and scripts do with the command, each as it was seen.
@Suite("Everyday use", .fewAtATime)
struct EverydayUseTests: CommandTests, WatchingTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    // MARK: set

    @Test("Empty input is refused, and the text stays, unless --empty says that it is meant")
    func emptyInput() async throws {
        try segment().set("here")
        let refused = try await sharedmem("set", "text", input: "")
        #expect(refused.status == 1 && refused.errors.contains("--empty"))
        #expect(try segment().get() == "here")
        let new = try await sharedmem("set", "new", input: "")
        #expect(new.status == 1)
        #expect(try !directory.names.contains("new.sharedmem"))
        #expect(try await sharedmem("set", "text", "--empty", input: "").status == 0)
        #expect(try segment().get() == "")
        #expect(try await sharedmem("set", "text", "--empty", input: "x").status == 0)
        #expect(try segment().get() == "x")
        #expect(try await sharedmem("set", "text", "--text", "").status == 0)
        #expect(try segment().get() == "")
    }

    @Test(
        "A set that fails creates no segment",
        arguments: [
            ("printf '\\377' | \"$sharedmem\" set new", "is not UTF-8"),
            ("printf 'a\\0b' | \"$sharedmem\" set new", "contains U+0000"),
            ("\"$sharedmem\" set new --capacity 10 --text 'eleven bytes'", "capacity is 10"),
            ("\"$sharedmem\" set new --if-version bf51aad6d45c6afb-1 --text x", "There is no segment"),
        ])
    func failedSet(_ command: String, _ reason: String) async throws {
        let result = try await run("\(command); echo $?")
        #expect(result.text == "1\n" && result.errors.contains(reason), "\(result)")
        #expect(try !directory.names.contains("new.sharedmem"))
    }

    @Test("Input without an end is read no further than the capacity, and refused")
    func endlessInput() async throws {
        // With less memory than it would take to read for long.
        let script = "ulimit -v 600000; yes | \"$sharedmem\" set small --capacity 1000; echo $?"
        let result = try await run(script)
        #expect(result.text == "1\n" && result.errors.contains("capacity of 1000 bytes"))
        #expect(try !directory.names.contains("small.sharedmem"))
        try await sharedmem("set", "small", "--capacity", "1000", "--text", "before")
        #expect(try await run("yes | \"$sharedmem\" set small; echo $?").text == "1\n")
        #expect(try await output("get", "small") == "before")
    }

    @Test("Input for which there is no memory is an error")
    func noMemory() async throws {
        let script = "ulimit -v 600000; yes | \"$sharedmem\" set large --capacity 1G; echo $?"
        let result = try await run(script)
        #expect(result.text == "1\n" && result.errors.contains("memory"), "\(result)")
    }

    @Test("Any text can follow --text, even one that looks like an option", arguments: ["- a", "--verbose", "-", "--"])
    func anyText(_ text: String) async throws {
        #expect(try await output("set", "any", "--text", text) == "")
        #expect(try await output("get", "any") == text)
    }

    @Test(
        "A number of bytes may have a unit",
        arguments: [("64K", 64 << 10), ("3m", 3 << 20), ("1G", 1 << 30), ("17", 17)])
    func units(_ text: String, _ byteCount: Int) async throws {
        try await sharedmem("set", "a", "--capacity", text, "--text", "x")
        #expect(try Segment.info("a", directory: directory.path).capacity == byteCount)
        let result = try await run("SHAREDMEM_CAPACITY=\(text) \"$sharedmem\" set b --text x; echo $?")
        #expect(result.text == "0\n")
        #expect(try Segment.info("b", directory: directory.path).capacity == byteCount)
    }

    @Test(
        "A number of bytes with another unit is refused",
        arguments: ["64Q", "M", "1.5M", "64MB", "9999999999999G", "-1K", "1ß"])
    func wrongUnits(_ text: String) async throws {
        #expect(try await sharedmem("set", "a", "--capacity=\(text)", "--text", "x").status == 64)
        #expect(try await run("SHAREDMEM_CAPACITY=\(text) \"$sharedmem\" set b --text x; echo $?").text == "64\n")
    }

    // MARK: Streams

    @Test("get writes all of the text to a standard output that does not block")
    func nonBlockingOutput() async throws {
        try segment().set(String(repeating: "x", count: 1 << 20))
        let script = """
            import os, subprocess, sys
            readable, writable = os.pipe()
            os.set_blocking(writable, False)
            process = subprocess.Popen(sys.argv[1:], stdout=writable)
            os.close(writable)
            print(len(os.fdopen(readable, "rb").read()), process.wait())
            """
        let command = [ChildProcess.product("sharedmem"), "get", "text", "--directory", directory.path]
        let result = try await ChildProcess.run("python3", ["-c", script] + command)
        #expect(result.text == "1048576 0\n", "\(result.errors)")
    }

    @Test("A closed standard stream is an error, and no other file is taken for it")
    func closedStreams() async throws {
        try segment().set("x")
        let script = """
            "$sharedmem" get text >&-; echo $?
            "$sharedmem" set text <&-; echo $?
            """
        let result = try await run(script)
        #expect(result.text == "1\n1\n" && result.errors.contains("write"))
        #expect(try segment().get() == "x")
    }

    @Test("serve serves whatever its standard streams are", arguments: ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
    func serveWithoutStreams(_ redirection: String) async throws {
        let socket = "unix:\(directory.path)/socket"
        let script = "exec \"$0\" serve text --listen \"$1\" --directory \"$2\" \(redirection)"
        let server = try ChildProcess("sh", ["-c", script, ChildProcess.product("sharedmem"), socket, directory.path])
        let _: Bool = try await eventually("an answer") {
            let check = Process()
            check.executableURL = URL(fileURLWithPath: ChildProcess.product("sharedmem"))
            check.arguments = ["healthcheck", socket]
            check.standardError = FileHandle.nullDevice
            try check.run()
            check.waitUntilExit()
            return check.terminationStatus == 0 ? true : nil
        }
        // What the server opens never takes the place of a closed stream: its messages would go there.
        for stream in 0...2 where redirection.contains("-") {
            let link = "/proc/\(server.processID)/fd/\(stream)"
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "/dev/null")
        }
        server.send(SIGTERM)
        #expect(try await server.finish().status == 0)
    }

    @Test("healthcheck takes an address as --listen does")
    func healthcheckOfAnAddress() async throws {
        let server = try ChildProcess(
            ChildProcess.product("sharedmem"),
            ["serve", "text", "--listen", "127.0.0.1:0", "--directory", directory.path])
        let url = try await server.line(beginning: "listening on ")
        let port = try #require(URLComponents(string: url)?.port)
        for address in ["127.0.0.1:\(port)", ":\(port)"] {
            #expect(
                try await ChildProcess.run(ChildProcess.product("sharedmem"), ["healthcheck", address]).status == 0)
        }
    }

    // MARK: watch

    @Test("The first signal ends watch even if nobody takes its output", arguments: [SIGINT, SIGTERM])
    func blockedOutput(_ signal: CInt) async throws {
        try segment().set(String(repeating: "x", count: 1 << 20))
        let fifo = "\(directory.path)/pipe"
        try #require(mkfifo(fifo, 0o600) == 0)
        let reader = open(fifo, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let script = "exec \"$0\" watch text --directory \"$1\" >\"$2\""
        let watch = try ChildProcess("sh", ["-c", script, ChildProcess.product("sharedmem"), directory.path, fifo])
        let _: Bool = try await eventually("a full pipe") {
            var count: CInt = 0
            return ioctl(reader, UInt(FIONREAD), &count) == 0 && count >= 60_000 ? true : nil
        }
        watch.send(signal)
        #expect(try await watch.finish().status == 0)
    }

    @Test("watch goes on if it cannot report that a command has failed")
    func fullErrors() async throws {
        try segment().set("one")
        let seen = "\(directory.path)/seen"
        let script =
            "exec \"$0\" watch text --verbose --directory \"$1\" --exec sh -c 'cat >>\"$0\"; exit 1' \"$2\" 2>/dev/full"
        let watch = try ChildProcess("sh", ["-c", script, ChildProcess.product("sharedmem"), directory.path, seen])
        for text in ["one", "onetwo"] {
            let _: Bool = try await eventually("the command's run") {
                (try? String(contentsOfFile: seen, encoding: .utf8)) == text ? true : nil
            }
            if text == "one" { try segment().set("two") }
        }
        watch.send(SIGTERM)
        #expect(try await watch.finish().status == 0)
    }

    @Test(
        "As process 1, watch leaves no zombies of what its commands leave running",
        .enabled("makes a PID namespace") { await MountNamespace.isPermitted() })
    func orphansOfProcessOne() async throws {
        try segment().set("x")
        let orphan = "(until [ -e \"$0/go\" ]; do sleep 0.05; done &)"
        let processOne = "exec \"$0\" watch text --directory \"$1\" --exec sh -c '\(orphan); \(orphan)' \"$1\""
        let watch = try ChildProcess(
            "unshare",
            [
                "--pid", "--fork", "--kill-child", "sh", "-c", processOne, ChildProcess.product("sharedmem"),
                directory.path,
            ])
        let pid = try await eventually("process 1") { Self.children(of: Int(watch.processID)).first }
        let _: Bool = try await eventually("two orphans") { Self.children(of: pid).count >= 2 ? true : nil }
        #expect(FileManager.default.createFile(atPath: "\(directory.path)/go", contents: nil))
        let _: Bool = try await eventually("their ends") { Self.children(of: pid).isEmpty ? true : nil }
        kill(pid_t(pid), SIGTERM)
        #expect(try await watch.finish().status == 0)
    }

    /// The processes, zombies included, whose parent is this one.
    static func children(of parent: Int) -> [Int] {
        let list = try? String(contentsOfFile: "/proc/\(parent)/task/\(parent)/children", encoding: .utf8)
        return (list ?? "").split(separator: " ").compactMap { Int($0) }
    }

    // MARK: Many segments

    @Test("The error for a wrong name lists ten of the segments there, however many there are")
    func manySegments() async throws {
        for number in 0..<30 {
            _ = try Segment.attach(
                "segment\(number)", AttachmentOptions(lifetime: .persistent, directory: directory.path))
        }
        let result = try await sharedmem("get", "nobody")
        #expect(result.errors.components(separatedBy: "segment").count <= 10 + 5, "\(result.errors)")
        #expect(result.errors.contains(" and others)"))
        #expect(try await output("list").split(separator: "\n").count == 31)
        let error = try #require(throws: SegmentError.self) { try Segment.read("nobody", directory: directory.path) }
        // One more, which shows that there are others: the rest of the directory is not read.
        if case .notFound(_, _, let found) = error { #expect(found.count == 11) } else { Issue.record("\(error)") }
    }
}
