import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("Other users, on the command line", .fewAtATime)
struct OtherUsersTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        // Any user may create a segment there, and only its owner may remove it.
        #expect(chmod(directory.path, 0o1777) == 0)
    }

    var path: String { directory.path(of: "text") }

    /// Runs the command as another user.
    func sharedmem(
        as user: Int, groups: String = "--clear-groups", _ arguments: String...
    ) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            "setpriv",
            ["--reuid", "\(user)", "--regid", "\(user)"] + groups.split(separator: " ").map(String.init)
                + [ChildProcess.product("sharedmem")] + arguments,
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
    }

    // MARK: Owners

    @Test(
        "Another user's segment is refused with the option that trusts the user, which works",
        .enabled(if: geteuid() == 0))
    func trustOwner() async throws {
        #expect(try await sharedmem(as: 12_345, "set", "text", "--text", "x", "--mode", "666").status == 0)
        let advice = "(--trust-owner 12345, or SHAREDMEM_TRUST_OWNER=12345)"
        for arguments in [["get"], ["info"], ["watch", "--once"], ["set", "--text", "x"], ["unlink"]] {
            let place = [arguments[0], "text"] + arguments.dropFirst()
            let refused = try await run(as: 23_456, place)
            #expect(refused.status == 1 && refused.errors.contains(advice), "\(arguments): \(refused.errors)")
            guard arguments != ["unlink"] else { continue }
            #expect(try await run(as: 23_456, place + ["--trust-owner", "12345"]).status == 0, "\(arguments)")
        }
        let listed = try await run(as: 23_456, ["list"])
        #expect(listed.text.contains(advice))
        #expect(try await run(as: 23_456, ["list", "--trust-owner", "12345"]).text.contains(" 1048576 "))
        #expect(try directory.names == ["text.sharedmem"])
    }

    private func run(as user: Int, _ arguments: [String]) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            "setpriv",
            ["--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", ChildProcess.product("sharedmem")]
                + arguments,
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
    }

    @Test(
        "SHAREDMEM_TRUST_OWNER counts for each command, and a wrong name in it is wrong usage",
        .enabled(if: geteuid() == 0))
    func environment() async throws {
        #expect(try await sharedmem(as: 12_345, "set", "text", "--text", "x").status == 0)
        for (value, status) in [
            ("12345", 0), ("root,12345", 0), ("1", 1), ("12345,no-such-user", 64), ("@nothing", 64),
        ] {
            for arguments in [["set", "text", "--text", "x"], ["watch", "text", "--once"]] {
                let result = try await ChildProcess.run(
                    ChildProcess.product("sharedmem"), arguments,
                    environment: ["SHAREDMEM_DIRECTORY": directory.path, "SHAREDMEM_TRUST_OWNER": value])
                #expect(result.status == status, "\(arguments) \(value): \(result.errors)")
            }
        }
    }

    @Test("SHAREDMEM_TRUST_OWNER counts for the C library's own segment", .enabled(if: geteuid() == 0))
    func ownSegment() async throws {
        #expect(try await sharedmem(as: 12_345, "set", "shared", "--text", "from another user").status == 0)
        let script = """
            import ctypes, sys
            library = ctypes.CDLL(sys.argv[1])
            library.sharedmem_last_error.restype = ctypes.c_char_p
            buffer = ctypes.create_unicode_buffer(100)
            library.GetSharedMem(buffer, 100)
            print(buffer.value, library.sharedmem_last_error().decode(), sep="|")
            """
        for (value, expected) in [
            ("12345", "from another user|\n"),
            ("@no-such-group", "|SHAREDMEM_TRUST_OWNER=@no-such-group in the environment"),
            ("", "|\(directory.path)/shared.sharedmem belongs to user 12345"),
        ] {
            let result = try await ChildProcess.run(
                "python3", ["-c", script, ChildProcess.product("libSharedMem.so")],
                environment: ["SHAREDMEM_DIRECTORY": directory.path, "SHAREDMEM_TRUST_OWNER": value])
            #expect(result.text.hasPrefix(expected), "\(result.text)\(result.errors)")
        }
    }

    @Test(
        "Users are trusted by name, and by a group that they are members of, primarily or not",
        .enabled("mounts files over /etc") { await MountNamespace.isPermitted() })
    func names() async throws {
        try await sharedmem("set", "text", "--text", "x")
        #expect(chown(path, 12_345, 12_345) == 0)
        let script = """
            command=$1 place=$2
            echo 'root:x:0:0::/:/bin/sh' >"$place/passwd"
            echo 'alice:x:12345:54321::/:/bin/sh' >>"$place/passwd"
            echo 'bob:x:23456:23456::/:/bin/sh' >>"$place/passwd"
            printf '%s\\n' root:x:0: people:x:54321: team:x:777:bob,alice others:x:778:bob >"$place/group"
            mount --bind "$place/passwd" /etc/passwd && mount --bind "$place/group" /etc/group || exit 9
            try() { "$command" set text --directory "$place" --text x "$@" >/dev/null 2>"$place/errors"; echo "$* $?"; }
            for owner in alice @team @people @777 12345 bob @others @root root carol @nothing; do
                try --trust-owner $owner
                SHAREDMEM_TRUST_OWNER=root,$owner try
            done
            try
            cat "$place/errors"
            try --trust-owner bob --trust-owner alice
            try --group team --mode 660 --trust-owner @team
            """
        let result = try await MountNamespace.start(script, [ChildProcess.product("sharedmem"), directory.path])
            .finish()
        var expected: [String] = []
        for (owners, status) in [
            (["alice", "@team", "@people", "@777", "12345"], 0), (["bob", "@others", "@root", "root"], 1),
            (["carol", "@nothing"], 64),
        ] {
            for owner in owners { expected += ["--trust-owner \(owner) \(status)", " \(status)"] }
        }
        expected += [
            " 1",
            "sharedmem: \(path) belongs to user 12345 (alice), and its owner could change or truncate it at any time: name the "
                + "owner as trusted (--trust-owner alice, or SHAREDMEM_TRUST_OWNER=alice), or use another directory.",
            "--trust-owner bob --trust-owner alice 0", "--group team --mode 660 --trust-owner @team 0",
        ]
        #expect(result.text.split(separator: "\n").map(String.init) == expected, "\(result.errors)")
        #expect(try Segment.info("text", directory: directory.path, trustedOwners: [.user(12_345)]).group == 777)
    }

    @Test(
        "Root inspects and unlinks any user's segment, and sets its text only if the user is trusted",
        .enabled(if: geteuid() == 0))
    func root() async throws {
        #expect(try await sharedmem(as: 12_345, "set", "text", "--text", "x").status == 0)
        #expect(try await output("get", "text") == "x")
        #expect(try await output("info", "text").contains("mode      600, owner 12345, group 12345\n"))
        #expect(try await output("list").contains("text  1 "))
        for arguments in [["set", "text", "--text", "y"], ["watch", "text", "--once"]] {
            let refused = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), arguments + ["--directory", directory.path])
            #expect(refused.status == 1 && refused.errors.contains("--trust-owner 12345"), "\(refused.errors)")
        }
        #expect(try await output("get", "text") == "x")
        #expect(try await output("unlink", "text") == "")
        #expect(try directory.names == [])
    }

    // MARK: Modes and groups

    @Test("--mode changes an existing segment's mode, and without it the mode stays")
    func mode() async throws {
        func mode() throws -> String { String(try Segment.info("shared", directory: directory.path).mode, radix: 8) }
        #expect(try await output("set", "--text", "1") == "")
        #expect(try mode() == "600")
        #expect(try await output("set", "--text", "2", "--mode", "644") == "")
        #expect(try mode() == "644")
        let file = try #require(FileHandle(forReadingAtPath: directory.path(of: "shared")))
        try file.seek(toOffset: 200)
        #expect(try file.read(upToCount: 4) == Data([1, 0, 0, 0]), "Readers without write access are woken.")
        #expect(try await output("set", "--text", "3") == "")
        #expect(try mode() == "644")
        let (server, _) = try await serve("--listen", "unix:\(directory.path)/s", "--mode", "640")
        #expect(try mode() == "640")
        _ = try await stop(server)
        let (other, _) = try await serve("--listen", "unix:\(directory.path)/s")
        #expect(try mode() == "640")
        _ = try await stop(other)
    }

    @Test(
        "Only the owner and root change a segment's mode and group: others are refused, and set nothing",
        .enabled(if: geteuid() == 0))
    func permissionsOfOthers() async throws {
        #expect(try await sharedmem("set", "text", "--text", "x", "--mode", "666").status == 0)
        for arguments in [["--mode", "644"], ["--group", "23456"], ["--mode", "644", "--group", "23456"]] {
            let refused = try await run(as: 23_456, ["set", "text", "--text", "y"] + arguments)
            #expect(refused.status == 1, "\(arguments)")
            #expect(
                refused.errors.hasPrefix(
                    "sharedmem: \(path) exists with mode 666 and group 0 (root), and only its owner, user 0 (root), or root"
                ),
                "\(refused.errors)")
        }
        #expect(try await output("get", "text") == "x")
        #expect(try await run(as: 23_456, ["set", "text", "--text", "z", "--mode", "666"]).status == 0)
        let info = try Segment.info("text", directory: directory.path)
        #expect(info.mode == 0o666 && info.group == 0)
    }

    @Test("Advice on missing permissions is for what the caller wanted to do", .enabled(if: geteuid() == 0))
    func adviceOnPermissions() async throws {
        try await sharedmem("set", "text", "--text", "x")
        for arguments in [["get", "text"], ["info", "text"], ["watch", "text", "--once"]] {
            let refused = try await run(as: 12_345, arguments)
            #expect(refused.status == 1 && refused.errors.contains("Permission denied"), "\(refused.errors)")
            #expect(refused.errors.contains("Ask the owner for permission to read the file"), "\(refused.errors)")
            #expect(!refused.errors.contains("write"), "\(refused.errors)")
        }
        #expect(chmod(path, 0o644) == 0 && chmod(directory.path, 0o755) == 0)
        for (name, advice) in [
            ("text", "Ask the owner for permission to write to the file."),
            ("new", "Ask the directory's owner for permission to create files there"),
        ] {
            let refused = try await run(as: 12_345, ["set", name, "--text", "y"])
            #expect(refused.status == 1 && refused.errors.contains(advice), "\(refused.errors)")
        }
    }

    @Test(
        "--group gives a new segment to a group of the caller's; for any other group, nothing is created",
        .enabled(if: geteuid() == 0))
    func group() async throws {
        let refused = try await sharedmem(as: 12_345, "set", "text", "--text", "x", "--group", "34567")
        #expect(refused.status == 1, "\(refused.errors)")
        #expect(
            refused.errors.hasPrefix("sharedmem: The segment cannot be given to group 34567, "), "\(refused.errors)")
        #expect(try directory.names == [])
        let member = "--groups 12345,34567"
        #expect(
            try await sharedmem(
                as: 12_345, groups: member, "set", "text", "--text", "x", "--group", "34567", "--mode", "660"
            )
            .status == 0)
        let info = try Segment.info("text", directory: directory.path)
        #expect(info.group == 34_567 && info.mode == 0o660)
        // Another member sets the text.
        #expect(
            try await sharedmem(
                as: 23_456, groups: "--groups 34567", "set", "text", "--text", "y", "--trust-owner", "12345"
            )
            .status == 0)
        #expect(try await output("get", "text") == "y")
        let unknown = try await sharedmem("set", "other", "--text", "x", "--group", "no-such-group")
        #expect(unknown.status == 64 && unknown.errors.contains("This host has no group \"no-such-group\""))
        #expect(try directory.names == ["text.sharedmem"])
    }

    @Test("A forked child does not change the mode and the group back")
    func forkedChild() async throws {
        let script = """
            import ctypes, os, sys
            class Options(ctypes.Structure):
                _fields_ = [("size", ctypes.c_size_t), ("directory", ctypes.c_char_p), ("capacity", ctypes.c_size_t),
                            ("flags", ctypes.c_uint32), ("mode", ctypes.c_uint32), ("owners", ctypes.c_void_p),
                            ("owner_count", ctypes.c_size_t), ("rows", ctypes.c_uint32), ("pins", ctypes.c_uint32)]
            library = ctypes.CDLL(sys.argv[1])
            library.sharedmem_attach.restype = ctypes.c_void_p
            options = Options(size=ctypes.sizeof(Options), directory=sys.argv[2].encode(), mode=0o640)
            segment = ctypes.c_void_p(library.sharedmem_attach(b"text", ctypes.byref(options)))
            path = sys.argv[2] + "/text.sharedmem"
            print(oct(os.stat(path).st_mode & 0o777), flush=True)
            os.chmod(path, 0o600)
            child = os.fork()
            if child == 0:
                os._exit(library.sharedmem_set(segment, b"x", ctypes.c_size_t(1), None))
            print(os.waitpid(child, 0)[1], oct(os.stat(path).st_mode & 0o777))
            # Attaching once more changes it.
            library.sharedmem_attach(b"text", ctypes.byref(options))
            print(oct(os.stat(path).st_mode & 0o777))
            """
        let result = try await ChildProcess.run(
            "python3", ["-c", script, ChildProcess.product("libSharedMem.so"), directory.path])
        #expect(result.text == "0o640\n0 0o600\n0o640\n", "\(result.errors)")
    }

    // MARK: Leftovers

    @Test("list marks what killed processes left behind; get and info say so, and unlink removes it")
    func leftovers() async throws {
        let holder = try ChildProcess.probe(.hold(), directory, "text")
        _ = try await holder.line(beginning: "attached ")
        #expect(try await output("list").contains("text  0 "))
        holder.kill()
        _ = try await holder.finish()
        try await sharedmem("set", "other", "--text", "x")

        let table = try await output("list").split(separator: "\n")
        #expect(table.count == 3 && table[1].hasPrefix("other  1 "), "\(table)")
        #expect(table[2] == "text   left behind by killed processes; sharedmem unlink text removes it", "\(table)")
        let array = try await output("list", "--json")
        let list = try #require(try JSONSerialization.jsonObject(with: Data(array.utf8)) as? [[String: Any]])
        #expect(list.map { $0["name"] as? String } == ["other", "text"])
        #expect(list.map { $0["isLeftBehind"] as? Bool } == [false, true])

        let error =
            "sharedmem: The segment 'text' in \(directory.path) was left behind by processes that were killed, and "
            + "counts as removed: unlink it to remove its file (sharedmem unlink text).\n"
        for command in ["get", "info"] {
            let result = try await sharedmem(command, "text")
            #expect(result.status == 1 && result.errors == error, "\(result.errors)")
        }
        #expect(try await sharedmem("get", "none").errors.contains("(segments there: other)"))
        #expect(try await output("unlink", "text") == "")
        #expect(try directory.names == ["other.sharedmem"])
        #expect(try await !output("list").contains("text"))
    }
}
