import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// `watch --exec`.
@Suite("watch --exec", .fewAtATime)
struct WatchExecTests: WatchingTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// A command that prints the text, and ends once a file exists.
    private func slow(_ file: String) -> [String] {
        [
            "--exec", "sh", "-c",
            "echo begin $(cat); until [ -e '\(directory.path)/\(file)' ]; do sleep 0.02; done; echo end",
        ]
    }

    private func make(_ file: String) throws {
        try Data().write(to: URL(fileURLWithPath: "\(directory.path)/\(file)"))
    }

    // MARK: What it gets

    @Test(
        "The command gets the text byte for byte, its version, and all that follows --exec as arguments",
        arguments: ["", "x", "x\n", "a\r\n", "ñ 東京 🦤"])
    func gets(_ text: String) async throws {
        let version = try segment().set(text)
        let script = "cat; echo \" $SHAREDMEM_VERSION $*\""
        let arguments = ["sh", "-c", script, "sh", "-v", "--null", "--help", "--", "--version", "--exec"]
        for option in [["--exec"] + arguments, ["--exec=sh"] + arguments.dropFirst()] {
            let result = try await watch(["--once"] + option).finish()
            #expect(result.output == Data("\(text) \(version) -v --null --help -- --version --exec\n".utf8))
            #expect(result.status == 0 && result.errors == "")
        }
    }

    @Test("The command does not see an inherited SHAREDMEM_VERSION")
    func inheritedVersion() async throws {
        let version = try segment().set("x")
        let result = try await watch(
            "--once", "--exec", "env", environment: ["SHAREDMEM_VERSION": "old", "KEPT": "yes"]
        ).finish()
        let lines = result.text.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("SHAREDMEM_VERSION=") } == ["SHAREDMEM_VERSION=\(version)"])
        #expect(lines.contains("KEPT=yes"))
    }

    @Test("A command that writes while it reads does not block")
    func large() async throws {
        let text = String(repeating: "0123456789abcdef", count: 1 << 20)
        try segment().set(text)
        #expect(
            try await run("(watch --once --exec cat) | (sleep 0.5; cksum)").text
                == run("\"$sharedmem\" get | cksum").text)
    }

    @Test("The command inherits neither descriptors nor signal settings from watch")
    func inheritsNothing() async throws {
        try segment().set("x")
        let script = "cat /proc/self/status; for d in 0 1 2 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$d; done"
        let lines = try await watch("--once", "--exec", "sh", "-c", script).finish().text.split(separator: "\n")
        for field in ["SigBlk:\t", "SigIgn:\t", "SigCgt:\t"] {
            let line = try #require(lines.first { $0.hasPrefix(field) })
            // Without the two that the C library keeps for itself and a test cannot reset.
            #expect(try #require(UInt64(line.dropFirst(field.count), radix: 16)) & ~0x1_8000_0000 == 0, "\(line)")
        }
        #expect(!lines.contains { $0.contains(".sharedmem") })
        #expect(lines.filter { $0.hasPrefix("pipe:") }.count == 1, "\(lines)")
    }

    // MARK: How often it runs

    @Test(
        "The command runs for each change, one run at a time, and changes during a run are combined; watch prints nothing"
    )
    func coalesces() async throws {
        let segment = try segment()
        var versions = [try segment.set("1")]
        let watch = try watch(["-v"] + slow("go"))
        try await printed("begin 1\n", by: watch)
        for number in 2...50 { versions.append(try segment.set("\(number)")) }
        try make("go")
        try await printed("begin 1\nend\nbegin 50\nend\n", by: watch)
        versions.append(try segment.set("51"))
        try await printed("begin 1\nend\nbegin 50\nend\nbegin 51\nend\n", by: watch)
        #expect(try await end(watch).errors == "\(versions[0])\n\(versions[49])\n\(versions[50])\n")
    }

    @Test("With --after, the command does not run for the version that the caller has")
    func after() async throws {
        let segment = try segment()
        let version = try segment.set("1")
        let watch = try watch("--after", "\(version)", "--once", "--exec", "cat")
        try await isAttached(watch)
        try segment.set("2")
        #expect(try await watch.finish().text == "2")
    }

    @Test("Watch goes on if nobody reads the command's output")
    func closedOutput() async throws {
        try segment().set("1")
        let script = """
            watch --exec sh -c 'touch "$0/$(cat)"' "$directory" > >(true) & process=$!
            until_there "$directory/1"; sleep 1.5; set_text 2; until_there "$directory/2"
            kill $process; wait $process; echo $?
            """
        #expect(try await run(script).text == "0\n")
    }

    // MARK: How it ends

    @Test("A failing command is reported, and watch goes on")
    func fails() async throws {
        let segment = try segment()
        try segment.set("3")
        let watch = try watch(
            "--exec", "sh", "-c", "status=$(cat); echo $status; [ $status != 9 ] || kill -KILL $$; exit $status")
        try await printed("3\n", by: watch)
        try segment.set("0")
        try await printed("3\n0\n", by: watch)
        try segment.set("9")
        try await printed("3\n0\n9\n", by: watch)
        #expect(
            try await end(watch).errors
                == "sharedmem: sh ended with status 3\nsharedmem: sh was killed by signal 9 (Killed)\n")
    }

    @Test(
        "With --once, watch exits with the command's status",
        arguments: [
            ("exit 0", 0), ("exit 3", 3), ("exit 64", 64), ("exit 255", 255), ("kill -KILL $$", 137), ("kill $$", 143),
        ])
    func onceStatus(_ script: String, _ status: Int32) async throws {
        try segment().set("x")
        let result = try await watch("--once", "--exec", "sh", "-c", script).finish()
        #expect(result.status == status && !result.wasKilled && result.output.isEmpty && result.errors == "")
    }

    @Test("Watch learns the command's status even if it was started with SIGCHLD ignored")
    func ignoredChildren() async throws {
        try segment().set("x")
        let script =
            "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
        let result = try await ChildProcess.run(
            "python3",
            ["-c", script, ChildProcess.product("sharedmem"), "watch", "text", "--directory", directory.path]
                + ["--once", "--exec", "sh", "-c", "exit 3"])
        #expect(result.status == 3)
    }

    @Test(
        "A command that cannot be run ends watch with an error",
        arguments: [
            ("no-such-command", "No such file or directory"), ("/dev", "Permission denied"), ("", "No such file"),
        ])
    func cannotRun(_ command: String, _ reason: String) async throws {
        try segment().set("x")
        let result = try await watch("--exec", command, "--help").finish()
        #expect(result.status == 1 && result.output.isEmpty)
        #expect(result.errors.hasPrefix("sharedmem: '\(command)' cannot be run: \(reason)"), "\(result.errors)")
    }

    @Test("The command need not read its input, and neither need a process that it leaves behind")
    func doesNotRead() async throws {
        try segment().set(String(repeating: "x", count: 1 << 20))
        #expect(try await watch("--once", "--exec", "true").finish().status == 0)
        #expect(try await watch("--once", "--exec", "head", "-c", "1").finish().text == "x")
        let watch = try watch("--once", "--exec", "sh", "-c", "exec 3<&0; sleep 60 <&3 >/dev/null & echo $!; exit 3")
        let result = try await watch.finish()
        #expect(result.status == 3)
        let left = try #require(pid_t(result.text.trimmingCharacters(in: .newlines)))
        #expect(kill(left, SIGKILL) == 0)
    }

    // MARK: Signals

    @Test("A signal lets a running command finish, and is not sent to it", arguments: [SIGINT, SIGTERM, SIGHUP])
    func signalWaits(_ signal: CInt) async throws {
        let segment = try segment()
        try segment.set("1")
        let watch = try watch(slow("go"))
        try await printed("begin 1\n", by: watch)
        watch.send(signal)
        try segment.set("2")
        try await hasTakenSignals(watch)
        try make("go")
        let result = try await watch.finish()
        #expect(result.text == "begin 1\nend\n" && result.errors == "" && result.status == 0 && !result.wasKilled)
    }

    @Test("A second signal ends watch at once, and the command goes on")
    func secondSignal() async throws {
        try segment().set("1")
        let watch = try watch(slow("go"))
        try await printed("begin 1\n", by: watch)
        watch.send(SIGINT)
        try await hasTakenSignals(watch)
        watch.send(SIGTERM)
        let result = try await watch.finish()
        #expect(result.status == SIGTERM && result.wasKilled && result.text == "begin 1\n")
        try make("go")
        try await printed("begin 1\nend\n", by: watch)
    }
}
