import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("sharedmem migrate", .fewAtATime)
struct MigrateTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.path(of: "text") }

    /// The file's first 24 KiB, and which file it is.
    func content() throws -> [Data] {
        let inode = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
        let file = try #require(FileHandle(forReadingAtPath: path))
        return [Data("\(inode ?? 0)".utf8), try file.read(upToCount: 24_576) ?? Data()]
    }

    @Test("The text is moved once; after that, there is nothing to do")
    func moves() async throws {
        try FirstLayoutFile().write(to: path)
        let refused = try await sharedmem("get", "text")
        #expect(refused.status == 1 && refused.errors.contains("`sharedmem migrate`"), "\(refused.errors)")
        #expect(try await output("migrate", "text") == "'text' now has this version's layout.\n")
        #expect(try await output("get", "text") == "from layout 1")
        #expect(try await sharedmem("get", "text", "-v").errors == "0123456789abcdef-7\n")
        #expect(try await output("migrate", "text") == "'text' already has this version's layout.\n")
        #expect(try await output("set", "text", "--text", "x", "--if-version", "0123456789abcdef-7") == "")
        #expect(try await output("get", "text") == "x")
    }

    @Test("What killed processes left behind, what is missing, and what is in use is refused with advice")
    func refuses() async throws {
        var file = FirstLayoutFile()
        file.lifetime = 0
        try file.write(to: path)
        let leftover = try await sharedmem("migrate", "text")
        #expect(leftover.status == 1 && leftover.errors.contains("sharedmem unlink text"), "\(leftover.errors)")
        let missing = try await sharedmem("migrate", "none")
        #expect(missing.status == 1 && missing.errors.contains("There is no segment 'none'"), "\(missing.errors)")
        #expect(try await output("unlink", "text") == "")
        try FirstLayoutFile().write(to: path)
        let script = """
            import fcntl, os, struct, sys
            descriptor = os.open(sys.argv[1], os.O_RDWR)
            fcntl.fcntl(descriptor, 37, struct.pack("hhqqi", fcntl.F_RDLCK, 0, 12, 1, 0))
            print("attached", flush=True)
            sys.stdin.read()
            """
        let holder = try ChildProcess("python3", ["-c", script, path])
        _ = try await holder.line(beginning: "attached")
        let attached = try await sharedmem("migrate", "text")
        #expect(attached.status == 1 && attached.errors.contains("end all programs that use it"), "\(attached.errors)")
        _ = try await holder.finish()
        #expect(try await sharedmem("migrate", "text").status == 0)
    }

    @Test(
        "A process that is killed at any step leaves the old segment or the new one, and the next run completes the work",
        arguments: ["migrateLocked", "migrateBuilt", "migrateNamed", "migrateReplaced"])
    func killed(at step: String) async throws {
        try FirstLayoutFile().write(to: path)
        let before = try content()
        let child = try ChildProcess(
            ChildProcess.product("sharedmem"), ["migrate", "text"],
            environment: ["SHAREDMEM_DIRECTORY": directory.path, "SHAREDMEM_PAUSE_AT": step])
        try await child.stopped()
        let isReplaced = step == "migrateReplaced"
        // Until the name is taken, another run is told to try again.
        #expect(try await sharedmem("migrate", "text").status == (isReplaced ? 0 : 75))
        child.kill()
        _ = try await child.finish()
        #expect(try (content() == before) == !isReplaced)
        #expect(try directory.names.count == (step == "migrateNamed" ? 2 : 1))
        let state = isReplaced ? "already" : "now"
        #expect(try await output("migrate", "text") == "'text' \(state) has this version's layout.\n")
        #expect(try await output("get", "text") == "from layout 1")
        #expect(try directory.names == ["text.sharedmem"])
    }

    @Test(
        "On a full tmpfs, the old segment stays as it was",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
    func fullTmpfs() async throws {
        var file = FirstLayoutFile()
        file.text = Data(repeating: 65, count: 100_000)
        try file.write(to: path)
        let script = """
            mkdir "$2/small" && mount -t tmpfs -o size=160k none "$2/small" || exit 9
            cp --sparse=always "$2/text.sharedmem" "$2/small" || exit 9
            "$1" migrate text --directory "$2/small" 2>&1; echo "status $?"
            cmp "$2/text.sharedmem" "$2/small/text.sharedmem" && ls -A "$2/small"
            mount -o remount,size=1m "$2/small"; "$1" migrate text --directory "$2/small"
            "$1" get text --directory "$2/small" | wc -c
            """
        let result = try await MountNamespace.start(script, [ChildProcess.product("sharedmem"), directory.path])
            .finish()
        let lines = result.text.split(separator: "\n")
        try #require(lines.count == 5, "\(result.text)\(result.errors)")
        #expect(lines[0].hasPrefix("sharedmem: No memory is left on the tmpfs for 100000 bytes"), "\(lines)")
        #expect(lines[1...] == ["status 1", "text.sharedmem", "'text' now has this version's layout.", "100000"])
    }

    @Test("A caller who cannot keep the group takes its permissions away", .enabled(if: geteuid() == 0))
    func groupOfOthers() async throws {
        #expect(chmod(directory.path, 0o777) == 0)
        var file = FirstLayoutFile()
        file.mode = 0o664
        for (groups, group, mode) in [("--clear-groups", 12_345, 0o604), ("--groups=34567", 34_567, 0o664)] {
            try file.write(to: path)
            #expect(chown(path, 12_345, 34_567) == 0)
            let result = try await ChildProcess.run(
                "setpriv",
                [
                    "--reuid=12345", "--regid=12345", groups, ChildProcess.product("sharedmem"), "migrate", "text",
                    "--directory", directory.path,
                ])
            #expect(result.status == 0, "\(result.errors)")
            let info = try Segment.info("text", directory: directory.path)
            #expect(info.owner == 12_345 && info.group == UInt32(group) && info.mode == UInt32(mode))
            try Segment.unlink("text", directory: directory.path)
        }
    }
}
