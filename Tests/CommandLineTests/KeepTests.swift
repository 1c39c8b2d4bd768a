import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("serve --keep, history and revert", .fewAtATime)
struct KeepTests: CommandTests {
    let directory: TemporaryDirectory
    let disk: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        disk = try TemporaryDirectory(under: "/var/tmp")
    }

    /// A server that keeps three versions of each segment.
    func keep(
        _ arguments: String..., environment: [String: String] = [:]
    ) async throws -> (process: ChildProcess, url: String) {
        try await serve(
            arguments + ["--listen", "127.0.0.1:0", "--keep", disk.path, "--keep-versions", "3", "--keep-sync"],
            environment: environment)
    }

    func put(_ text: String, _ url: String) async throws {
        #expect(try await status(url, "-X", "PUT", "-d", text) == "204")
    }

    var segment: Segment { get throws { try Segment.attach("shared", AttachmentOptions(directory: directory.path)) } }

    // MARK: The commands

    @Test("history lists the kept versions, and revert sets the text to one of them, as a new version")
    func revert() async throws {
        let (server, url) = try await keep()
        for number in 1...4 { try await put("text \(number)", url) }
        let rows = try await output("history", "--keep", disk.path).split(separator: "\n").map {
            $0.split(separator: " ").map(String.init)
        }
        let instance = try segment.version.instance
        let versions = (2...4).map { Version(instance: instance, number: $0).description }
        #expect(rows.map(\.first) == ["VERSION"] + versions && rows.allSatisfy { $0.count == 3 })
        #expect(rows.dropFirst().map(\.last) == ["6", "6", "6"])
        let json = try await output("history", "shared", "--json", "--keep", disk.path)
        let entries = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]])
        #expect(entries.compactMap { $0["version"] as? String } == versions)
        #expect(entries.allSatisfy { $0["byteCount"] as? Int == 6 && $0["capacity"] as? Int == 1 << 20 })

        let stale = try await sharedmem(
            "revert", "shared", versions[0], "--keep", disk.path, "--if-version", versions[1])
        #expect(stale.status == 1 && stale.errors.contains("its version is now \(versions[2])"), "\(stale.errors)")
        let reverted = try await sharedmem(
            "revert", "shared", versions[0], "--keep", disk.path, "--if-version", versions[2], "-v")
        #expect(reverted.status == 0 && reverted.errors == "\(Version(instance: instance, number: 5))\n")
        #expect(try await ChildProcess.run("curl", ["-s", url]).text == "text 2")
        _ = try await stop(server)

        let gone = try await sharedmem("revert", "shared", versions[0], "--keep", disk.path)
        #expect(gone.status == 1 && gone.errors.contains("There is no kept version \(versions[0])"), "\(gone.errors)")
        #expect(gone.errors.contains(versions[1]), "it names those that there are: \(gone.errors)")
        try Segment.unlink("shared", directory: directory.path)
        // Without a server, and without a segment.
        _ = try await output("revert", "shared", versions[2], "--keep", disk.path)
        #expect(try await output("get") == "text 4")
    }

    @Test("history and revert need a directory, and say what is wrong with it")
    func wrongUsage() async throws {
        #expect(try await sharedmem("history").status == 64)
        #expect(try await sharedmem("history", "--keep", "").status == 64)
        #expect(try await sharedmem("serve", "--listen", "127.0.0.1:0", "--keep", "").status == 64)
        #expect(try await sharedmem("revert", "shared", "0000000000000000-1").status == 64)
        #expect(try await sharedmem("revert", "shared", "1", "--keep", disk.path).status == 64)
        #expect(try await sharedmem("history", "a/b", "--keep", disk.path).status == 64)
        let none = try await sharedmem("history", "--keep", disk.path)
        #expect(
            none.status == 0 && none.text == ""
                && none.errors == "No version of 'shared' is kept in that directory. Check the name and --keep.\n")
        let missing = try await sharedmem("history", "--keep", "/no/such/directory")
        #expect(missing.status == 1 && missing.errors.contains("No such file or directory"), "\(missing.errors)")
    }

    // MARK: The server

    @Test("Segments are restored before the first request is answered, and a second server is refused")
    func restoredFirst() async throws {
        let (first, url) = try await keep("a", "b")
        try await put("of a", url)
        try await put("of b", url + "/b")
        let refused = try await sharedmem("serve", "b", "--listen", "127.0.0.1:0", "--keep", disk.path)
        #expect(
            refused.status == 1 && refused.errors.contains("Another server keeps the segment 'b'"), "\(refused.errors)")
        first.send(SIGKILL)
        _ = try await first.finish()
        for name in ["a", "b"] { try Segment.unlink(name, directory: directory.path) }
        // It stops once the first segment is restored, and does not answer yet.
        let stopped = try ChildProcess(
            ChildProcess.product("sharedmem"),
            [
                "serve", "a", "b", "--directory", directory.path, "--listen", "unix:\(directory.path)/socket", "--keep",
                disk.path,
            ], environment: ["SHAREDMEM_PAUSE_AT": "keepRestored"])
        try await stopped.stopped()
        #expect(stopped.outputSoFar == "")
        #expect(
            try await status("http://localhost/shared", "--unix-socket", "\(directory.path)/socket", "-m", "0.2")
                == "000")
        stopped.send(SIGCONT)
        _ = try await stopped.line(beginning: "listening on ")
        for (path, text) in [("", "of a"), ("/b", "of b")] {
            let answer = try await ChildProcess.run(
                "curl", ["-s", "--unix-socket", "\(directory.path)/socket", "http://localhost/shared" + path])
            #expect(answer.text == text)
        }
        _ = try await stop(stopped)
    }

    /// Has a process call these functions in the place of the C library's.
    private func preloading(_ source: String) async throws -> [String: String] {
        let library = "\(directory.path)/calls.so"
        let head = """
            #define _GNU_SOURCE
            #include <dlfcn.h>
            #include <fcntl.h>
            #include <stdio.h>
            #include <string.h>
            #include <unistd.h>
            #define REAL(result, name, ...) ((result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

            """
        let compiled = try await ChildProcess.run(
            "cc", ["-shared", "-fPIC", "-x", "c", "-o", library, "-"], input: Data((head + source).utf8))
        try #require(compiled.status == 0, "\(compiled.errors)")
        return ["LD_PRELOAD": library]
    }

    /// Has fsync(2) wait until there is a file at `path`.
    private func stuckDisk(until path: String) async throws -> [String: String] {
        try await preloading(
            """
            int fsync(int descriptor) {
                while (access("\(path)", F_OK) != 0) usleep(1000);
                return REAL(int, fsync, int)(descriptor);
            }
            """)
    }

    @Test("A version is written, synchronized, renamed, and its name synchronized, before the one before it is removed")
    func systemCalls() async throws {
        let log = "\(directory.path)/calls"
        let environment = try await preloading(
            """
            static void say(const char *call, const char *path, const char *other) {
                char line[9000];
                const char *name = strrchr(path, '/') + 1, *other_name = other ? strrchr(other, '/') + 1 : "";
                int count = snprintf(line, sizeof line, "%s %s %s\\n", call, name, other_name);
                int log = open("\(log)", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
                if (strstr(path, "\(disk.path)") && write(log, line, count) < 0) _exit(1);
                close(log);
            }
            static void say_file(const char *call, int descriptor) {
                char link[64], path[4096] = "/";
                snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
                ssize_t count = readlink(link, path, sizeof path - 1);
                if (count > 0) path[count] = 0;
                say(call, path, NULL);
            }
            ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
                say_file("write", file);
                return REAL(ssize_t, pwrite, int, const void *, size_t, off_t)(file, bytes, count, offset);
            }
            int fsync(int file) {
                say_file("fsync", file);
                return REAL(int, fsync, int)(file);
            }
            int rename(const char *from, const char *to) {
                say("rename", from, to);
                return REAL(int, rename, const char *, const char *)(from, to);
            }
            int unlink(const char *path) {
                int result = REAL(int, unlink, const char *)(path);
                if (result == 0) say("unlink", path, NULL);
                return result;
            }
            """)
        let (server, url) = try await serve(
            "--listen", "127.0.0.1:0", "--keep", disk.path, "--keep-sync", environment: environment)
        for number in 1...2 { try await put("text \(number)", url) }
        _ = try await stop(server)
        let instance = try segment.version.instance
        func file(_ number: UInt64) -> String { "shared@\(Version(instance: instance, number: number)).kept" }
        let directoryName = try #require(disk.path.split(separator: "/").last)
        func steps(_ number: UInt64) -> [String] {
            [
                "write .shared.new ", "write .shared.new ", "fsync .shared.new ", "rename .shared.new \(file(number))",
                "fsync \(directoryName) ",
            ]
        }
        let calls = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(calls == steps(1) + steps(2) + ["unlink \(file(1)) "])
    }

    /// A PUT under way.
    private func beginPut(_ text: String, _ url: String) throws -> ChildProcess {
        try ChildProcess("curl", ["-s", "-w", "%{http_code}", "-X", "PUT", "-d", text, url])
    }

    @Test(
        "While PUTs wait for a disk that is stuck, all other requests are answered; SIGTERM waits for them",
        arguments: [false, true])
    func stuck(_ isStopped: Bool) async throws {
        let open = "\(directory.path)/open"
        let (server, url) = try await keep(environment: try await stuckDisk(until: open))
        let puts = try (1...3).map { try beginPut("text \($0)", url) }
        try await eventually("three sets") { try segment.version.number == 3 ? () : nil }
        for _ in 0..<5 { #expect(try await ChildProcess.run("curl", ["-s", "-m", "5", url]).text.hasPrefix("text ")) }
        #expect(puts.allSatisfy { $0.outputSoFar == "" }, "nothing is on disk")
        #expect(try await output("list", "--json").contains("shared"))
        if isStopped { server.send(SIGTERM) }
        try Data().write(to: URL(fileURLWithPath: open))
        for put in puts { #expect(try await put.finish().text == "204") }
        if !isStopped { server.send(SIGTERM) }
        #expect(try await server.finish().status == 0)
        let history = try await output("history", "--keep", disk.path).split(separator: "\n")
        #expect(history.last?.hasPrefix("\(try segment.version)") == true)
    }

    @Test("While nothing changes, the server's thread that keeps does not run")
    func idle() async throws {
        let (server, url) = try await keep("shared", "other")
        try await put("x", url)
        try await put("y", url + "/other")
        let thread = try #require(
            try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server.processID)/task").first {
                try String(contentsOfFile: "/proc/\(server.processID)/task/\($0)/comm", encoding: .utf8)
                    == "sharedmem keep\n"
            })
        func switchCount() throws -> Int {
            let status = try String(
                contentsOfFile: "/proc/\(server.processID)/task/\(thread)/status", encoding: .utf8)
            return status.split(separator: "\n").filter { $0.contains("ctxt_switches") }
                .compactMap { Int($0.split(separator: "\t").last ?? "") }.reduce(0, +)
        }
        // After the last write, it looks once more; then two seconds pass without a look.
        var before = try switchCount()
        try await eventually("two seconds without a look", within: 20) {
            let begin = ContinuousClock.now
            while ContinuousClock.now - begin < .seconds(2) { usleep(10_000) }
            defer { before = (try? switchCount()) ?? 0 }
            return try switchCount() == before ? () : nil
        }
        _ = try await stop(server)
    }

    @Test("Servers that are killed at each step, and at random moments, lose nothing that was acknowledged")
    func killed() async throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Scripts/keep").path
        let result = try await ChildProcess.run(
            "python3", [script, "--rounds", "30"], environment: ["SHAREDMEM": ChildProcess.product("sharedmem")],
            within: 200)
        #expect(result.status == 0, "\(result.text)\(result.errors)")
    }
}

/// Disks that refuse: small, full, read-only.
@Suite(
    "serve --keep on a disk in trouble", .fewAtATime, .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
struct KeepTroubleTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// A server that keeps its text on a tmpfs of 64 KiB; `put` prints the status and the body of the answer.
    static let prelude = """
        sharedmem=$1 directory=$2
        mkdir "$directory/disk" && mount -t tmpfs -o size=64k none "$directory/disk" || exit 1
        start() {
            "$sharedmem" serve --directory "$directory" --listen "unix:$directory/socket" --keep "$directory/disk/kept" \\
                --log-format text "$@" >"$directory/output" 2>>"$directory/errors" </dev/null &
            server=$!
            until grep -q listening "$directory/output"; do sleep 0.01; done
        }
        ask() { curl -s -m 20 --unix-socket "$directory/socket" "$@" http://localhost/shared; }
        put() { ask -w '%{http_code}\\n' -X PUT --data-binary "$1"; }
        fill() { head -c 1m /dev/zero >"$directory/disk/junk" 2>/dev/null; }
        said() { echo "$1: $(cat)"; }
        # Waits for a line of the server's.
        reported() { for i in $(seq 2000); do grep -q "$1" "$directory/errors" && return; sleep 0.01; done; }
        kept() { "$sharedmem" history --json --keep "$directory/disk/kept" | tr -d '\\n'; }

        """

    func run(_ script: String) async throws -> (lines: [String], errors: String) {
        let child = try MountNamespace.start(
            Self.prelude + script + "\nkill $server; wait $server; echo end: $?",
            [ChildProcess.product("sharedmem"), directory.path])
        let result = try await child.finish()
        #expect(result.status == 0 && !result.wasKilled, "\(result.text)\(result.errors)")
        let lines = result.text.split(separator: "\n").map(String.init)
        #expect(lines.last == "end: 0")
        let errors = try String(contentsOfFile: "\(directory.path)/errors", encoding: .utf8)
        return (lines, errors.replacingOccurrences(of: directory.path, with: ""))
    }

    /// The lines about outages, without the one that the disk is a tmpfs.
    func reports(_ errors: String) -> [String] {
        errors.split(separator: "\n").map(String.init).filter { $0.contains("warning: ") && !$0.contains("on a tmpfs") }
    }

    static let end = "text is kept on disk again"

    @Test("On a full disk, a PUT with --keep-sync says that the text is set but not kept, and the server catches up")
    func full() async throws {
        let (lines, errors) = try await run(
            """
            start --keep-sync
            put before | said before
            fill
            put "$(head -c 8000 /dev/zero | tr '\\0' x)" | said full
            ask | wc -c | said there
            put "$(head -c 9000 /dev/zero | tr '\\0' x)" | said again | cut -c1-40
            rm "$directory/disk/junk"
            reported "kept on disk again"
            kept | said kept
            put after | said after
            """)
        #expect(lines[0] == "before: 204")
        #expect(lines[1].contains("components/examples/not-kept") && lines[1].contains("\"status\":507"), "\(lines[1])")
        #expect(lines[1].contains("is not on disk (No space left on device)"), "\(lines[1])")
        #expect(lines.contains { $0.hasSuffix("507") })
        #expect(lines.contains("there: 8000"))
        #expect(lines.contains { $0.hasPrefix("kept: ") && $0.contains("\"byteCount\" : 9000") }, "\(lines)")
        #expect(lines.contains("after: 204"))
        let reports = reports(errors)
        #expect(reports.count == 2 && reports[0].contains("'shared' cannot be kept on disk: "), "\(reports)")
        #expect(reports.last?.hasSuffix(Self.end) == true)
    }

    @Test("A disk that becomes read-only is reported once, and once when it is writable again")
    func readOnly() async throws {
        let (lines, errors) = try await run(
            """
            start --keep-interval 10
            put before | said before
            mount -t tmpfs -o ro none "$directory/disk/kept"
            for text in one two three; do put $text | said $text; sleep 0.2; done
            reported "cannot be kept"
            ask | said text
            umount "$directory/disk/kept"
            reported "kept on disk again"
            kept | said kept
            """)
        #expect(lines.prefix(4) == ["before: 204", "one: 204", "two: 204", "three: 204"])
        #expect(lines.contains { $0.hasPrefix("text: three") })
        #expect(lines.contains { $0.hasPrefix("kept: ") && $0.contains("\"byteCount\" : 5") }, "\(lines)")
        let reports = reports(errors)
        #expect(reports.count == 2 && reports[0].contains("Read-only file system"), "\(reports)")
        #expect(reports.last?.hasSuffix(Self.end) == true)
    }

    @Test("A server that starts on a full or read-only disk says so or serves, and restores what is there")
    func start() async throws {
        let (lines, _) = try await run(
            """
            start --keep-sync
            put kept | said put
            kill $server; wait $server; rm "$directory/shared.sharedmem" "$directory/output"
            fill
            start
            ask | said full; echo
            kill $server; wait $server
            mount -o remount,ro "$directory/disk"
            "$sharedmem" serve --directory "$directory" --listen "unix:$directory/socket" --keep "$directory/disk/kept" 2>&1 |
                grep -v 'on a tmpfs' | cut -c1-30 | said readonly
            mount -o remount,rw "$directory/disk"
            rm "$directory/output"; start
            """)
        #expect(lines[0] == "put: 204" && lines[1] == "full: kept", "\(lines)")
        #expect(lines.contains("readonly: sharedmem: Text cannot be kept"), "\(lines)")
    }
}
