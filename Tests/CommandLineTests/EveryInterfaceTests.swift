import Foundation
import TestSupport
import TestTraits
import Testing

/// Difficult conditions, as seen through each interface: Swift, C, the command line and HTTP.
@Suite("Every interface", .fewAtATime)
struct EveryInterfaceTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    static let isLong = ProcessInfo.processInfo.environment["SHAREDMEM_LONG"] != nil

    /// Uses C and HTTP from a language that has both: `DIRECTORY LIBRARY SOCKET COUNT` sets and reads `COUNT` times through
    /// each, and prints the nanoseconds that took on average.
    static let interfaces = """
        import ctypes, http.client, socket, sys, time
        directory, library, path, count = sys.argv[1:]
        c = ctypes.CDLL(library, use_errno=True)
        c.sharedmem_attach.restype = c.sharedmem_last_error.restype = ctypes.c_void_p
        c.sharedmem_get.restype = ctypes.c_ssize_t
        segment = ctypes.c_void_p(c.sharedmem_attach(b"text", None))
        assert segment.value, ctypes.string_at(c.sharedmem_last_error())
        buffer = ctypes.create_string_buffer(1000)
        def through_c(text):
            if c.sharedmem_set(segment, text, ctypes.c_size_t(len(text)), None): sys.exit(f"errno {ctypes.get_errno()}")
            assert c.sharedmem_get(segment, buffer, ctypes.c_size_t(1000), None) == len(text) and buffer.value == text
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        def over_http(text):
            connection.request("PUT", "/shared", text)
            answer = connection.getresponse()
            assert answer.status == 204, answer.read()
            answer.read()
            connection.request("GET", "/shared")
            assert connection.getresponse().read() == text
        for name, use in [("C", through_c), ("HTTP", over_http)]:
            begin = time.monotonic()
            for number in range(int(count)): use(f"{name} {number}".encode() * (1 + number % 20))
            print(f"{name} {(time.monotonic() - begin) / int(count) * 1e9:.0f}", flush=True)
        """

    private func serve() async throws -> ChildProcess {
        let server = try ChildProcess(
            ChildProcess.product("sharedmem"),
            ["serve", "text", "--listen", "unix:\(directory.path)/socket", "--directory", directory.path])
        _ = try await server.line(beginning: "listening on ")
        return server
    }

    /// How many nanoseconds a set and a get took, through C and over HTTP.
    private func use() async throws -> [String] {
        let result = try await ChildProcess.run(
            "python3",
            [
                "-c", Self.interfaces, directory.path, ChildProcess.product("libSharedMem.so"),
                "\(directory.path)/socket",
                Self.isLong ? "10000" : "200",
            ], environment: ["SHAREDMEM_DIRECTORY": directory.path], within: 300)
        #expect(result.status == 0, "\(result.text)\(result.errors)")
        let lines = result.text.split(separator: "\n").map(String.init)
        #expect(lines.count == 2)
        return lines
    }

    private func useCommand() async throws {
        for text in ["", "one", "two"] {
            let set = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["set", "text", "--text", text, "--directory", directory.path])
            #expect(set.status == 0, "\(set.errors)")
            let get = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["get", "text", "--directory", directory.path])
            #expect(get.status == 0 && get.text == text)
        }
    }

    @Test(
        "A writer stopped at any step of a set delays nobody, through any interface",
        arguments: [
            "setChosen", "setClaimed", "setChecked", "setStamped", "setReserved", "setFilled", "setNumbered",
            "setPublished",
        ])
    func stoppedWriter(_ step: String) async throws {
        let server = try await serve()
        let alone = Self.isLong ? try await use() : []
        let writer = try ChildProcess.probe(
            .set("late"), directory,
            environment: ["SHAREDMEM_PAUSE_AT": step])
        try await writer.stopped()
        let beside = try await use()
        try await useCommand()
        if Self.isLong { print("\(step), ns a set and get: \(alone) alone, \(beside) beside one that is stopped") }
        writer.send(SIGCONT)
        #expect(try await writer.finish().status == 0)
        server.send(SIGTERM)
        #expect(try await server.finish().status == 0)
    }

    @Test("While all pins are held, every interface still sets and reads")
    func pinsHeld() async throws {
        let server = try await serve()
        try await useCommand()
        let holder = try ChildProcess.probe(.keepPins(count: 64), directory)
        _ = try await holder.line(beginning: "kept")
        _ = try await use()
        try await useCommand()
        try holder.write(Data("\n".utf8))
        #expect(try await holder.line(beginning: "unchanged ") == "true")
        server.send(SIGTERM)
        #expect(try await server.finish().status == 0)
    }

    @Test(
        "On a full tmpfs of 1 MiB, each interface reports its own error, keeps the text, and works again once there is room",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
    func full() async throws {
        let script = """
            mount -t tmpfs -o size=1m none "$4" || exit 1
            probe=$1 sharedmem=$2 library=$3 directory=$4
            export SHAREDMEM_DIRECTORY=$4 SHAREDMEM_NAME=text
            "$sharedmem" serve --listen "unix:$directory/socket" >/dev/null 2>&1 & server=$!
            trap 'kill $server; wait $server' EXIT
            http() { curl -s -o /dev/null -w "%{http_code}\\n" --unix-socket "$directory/socket" "$@" http://localhost/shared; }
            until [ "$(http)" = 204 ] || [ "$(http)" = 200 ]; do sleep 0.05; done
            c() {
                python3 -c 'import ctypes, os, sys
            c = ctypes.CDLL(sys.argv[1], use_errno=True)
            c.sharedmem_attach.restype = c.sharedmem_last_error.restype = ctypes.c_void_p
            text = sys.stdin.buffer.read()
            segment = ctypes.c_void_p(c.sharedmem_attach(b"text", None))
            failed = c.sharedmem_set(segment, text, ctypes.c_size_t(len(text)), None)
            print(os.strerror(ctypes.get_errno()) if failed else "set")' "$library"
            }
            text() { head -c "$1" /dev/zero | tr '\\0' x; }
            sizes() { echo "$("$sharedmem" get | wc -c) $(curl -s --unix-socket "$directory/socket" http://localhost/shared | wc -c)"; }
            each() {
                text $1 | "$sharedmem" set 2>&1; echo "status $?"; sizes
                text $1 | c; sizes
                text $1 | http -T -; sizes
                "$probe" "$directory" text set-checksummed $1 1 </dev/null 2>&1; sizes
            }
            text 100000 | "$sharedmem" set
            head -c 2m /dev/zero >"$directory/junk" 2>/dev/null
            each 600000
            rm "$directory/junk"
            each 300000
            """
        let child = try MountNamespace.start(
            script,
            ["probe", "sharedmem", "libSharedMem.so"].map { ChildProcess.product($0) } + [directory.path])
        let result = try await child.finish()
        let lines = result.text.split(separator: "\n").map(String.init)
        try #require(lines.count == 17, "\(result.text)\(result.errors)")
        let refusal = "No memory is left on the tmpfs for 600000 bytes"
        #expect(lines[0].hasPrefix("sharedmem: \(refusal)"))
        #expect(lines[1] == "status 1" && lines[3] == "No space left on device" && lines[5] == "507")
        #expect(lines[7].hasPrefix(refusal))
        for line in [2, 4, 6, 8] { #expect(lines[line] == "100000 100000", "\(lines)") }
        #expect(lines[9] == "status 0" && lines[11] == "set" && lines[13] == "204", "\(lines)")
        #expect(Version.isOne(lines[15]), "\(lines)")
        for line in [10, 12, 14, 16] { #expect(lines[line] == "300000 300000", "\(lines)") }
    }

    // MARK: Containers

    static let commands = ["get", "info", "unlink shared", "list"]

    @Test(
        "If process 1 has another /dev/shm, a segment that is not found gets an explanation and advice",
        .enabled("makes PID namespaces") { await PIDNamespace.isPermitted() }, arguments: commands)
    func privateMemory(_ command: String) async throws {
        // Here process 1 may be inspected; the host's mostly may not.
        let script = """
            "$1" \(command); echo "status $?"
            unshare --mount /bin/sh -c 'mount -t tmpfs shm /dev/shm && exec "$0" \(command)' "$1"; echo "status $?"
            """
        let result = try await ChildProcess.run(
            "unshare",
            [
                "--pid", "--mount", "--fork", "--mount-proc", "/bin/sh", "-c", "mount -t tmpfs shm /dev/shm\n\(script)",
                "sh",
            ]
                + [ChildProcess.product("sharedmem")])
        let hint = "This process has its own /dev/shm: process 1 sees another one."
        #expect(result.errors.components(separatedBy: hint).count == 2, "\(result.errors)")
        #expect(result.errors.contains("--ipc=host") && result.errors.contains("emptyDir"), "\(result.errors)")
        let status = "status \(command == "list" ? 0 : 1)\n"
        #expect(result.text == status + status)
    }

    @Test(
        "If process 1 is the container's own, the IPC namespace gives the container away",
        .enabled("makes PID namespaces") { await PIDNamespace.isPermitted() }, arguments: commands)
    func container(_ command: String) async throws {
        let script = "mount -t tmpfs -o size=64m shm /dev/shm && exec \"$1\" \(command)"
        let result = try await ChildProcess.run(
            "unshare",
            ["--pid", "--ipc", "--mount", "--fork", "--mount-proc", "/bin/sh", "-c", script, "sh"]
                + [ChildProcess.product("sharedmem")])
        #expect(result.errors.contains("its own IPC namespace, as in a container"), "\(result.errors)")
        #expect(result.errors.contains("64 MiB") && result.errors.contains("--ipc=host"), "\(result.errors)")
    }

    @Test("If a directory is named, containers are not mentioned", arguments: commands)
    func noHint(_ command: String) async throws {
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), command.components(separatedBy: " "),
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
        #expect(!result.errors.contains("container") && !result.errors.isEmpty, "\(result.errors)")
    }
}

private enum Version {
    /// Whether the text looks like `INSTANCE-NUMBER`.
    static func isOne(_ text: String) -> Bool { text.wholeMatch(of: #/[0-9a-f]{16}-[0-9]+/#) != nil }
}
