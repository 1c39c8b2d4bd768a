import Foundation
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// Files that block an open, directories without write permission, and limits that are too low.
@Suite("Hostile files, directories and limits", .fewAtATime)
struct HostileFilesTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    /// Runs a script, in which `p` is the probe, as another user, under limits, or in namespaces.
    func run(_ script: String, _ arguments: String..., unsharing: String...) async throws -> ChildProcess.Finished {
        let script =
            "probe=$1 directory=$2\np() { \"$probe\" \"$directory\" text \"$@\" </dev/null 2>&1; }\n" + script
        let shell = ["/bin/bash", "-c", script, "bash", ProbeCommand.executable, directory.path] + arguments
        let words = (unsharing.isEmpty ? [] : ["unshare"] + unsharing) + shell
        return try await ChildProcess.run(words[0], Array(words.dropFirst()))
    }

    /// Runs each of the probe's commands in a process of its own, where a blocked one shows.
    func expectRefusal(_ reason: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for command in [ProbeCommand.get, .set("x"), .readOnce(.readOnly), .unlink, .info] {
            let child = try ChildProcess.probe(command, directory, name)
            let result = try await child.finish(within: 30)
            #expect(
                result.status == 1 && !result.wasKilled && result.errors.contains(reason),
                "\(command): \(result.errors)",
                sourceLocation: sourceLocation)
        }
        #expect(try directory.names.contains("text.sharedmem"), sourceLocation: sourceLocation)
    }

    // MARK: Files

    @Test("A FIFO, with or without a writer, makes no process wait")
    func fifo() async throws {
        #expect(mkfifo(path, 0o600) == 0)
        try await expectRefusal("not a regular file")
        let writer = open(path, O_RDWR)
        try await expectRefusal("not a regular file")
        close(writer)
    }

    @Test("A dangling symbolic link and a loop of links are refused as links")
    func links() async throws {
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/shm/nowhere")
        try await expectRefusal("symbolic link")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path)
        try await expectRefusal("symbolic link")
    }

    @Test("A socket is not a segment")
    func socket() async throws {
        let socket = Foundation.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
        try await expectRefusal("socket")
    }

    @Test("A device is not read, however much data it offers", .enabled(if: geteuid() == 0), arguments: [3, 5])
    func device(_ minor: UInt32) async throws {
        guard mknod(path, S_IFCHR | 0o600, dev_t(1 << 8 | minor)) == 0 else { return }
        try await expectRefusal("not a ")
    }

    @Test("A directory in the segment's place is refused for readers too")
    func directoryInPlace() async throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try await expectRefusal("not a ")
    }

    @Test(
        "A file that is too short for a header, or one byte too short or too long, is an error that states its length",
        arguments: [0, 1, 63, 64, 79, 80, 81, 4095, 4096, 8191, 8192, 28_671, 28_672, 28_673, -1, 1])
    func wrongLength(_ length: Int) throws {
        do { try attach(.readWrite, .persistent).set("x") }
        let whole = Geometry(capacity: 1 << 20, rowCount: 126, pinCount: 64).fileByteCount
        let byteCount = length == -1 ? whole - 1 : length == 1 ? whole + 1 : length
        #expect(truncate(path, off_t(byteCount)) == 0)
        for call in [
            { _ = try attach() }, { _ = try attach(.readOnly) },
            { _ = try Segment.read(name, directory: directory.path) },
            { _ = try Segment.info(name, directory: directory.path) },
        ] as [() throws -> Void] {
            let error = #expect(throws: SegmentError.self) { try call() }
            guard case .notASegment(path, let reason) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(reason.contains(" \(byteCount) bytes"))
        }
        #expect(try Segment.list(directory: directory.path) == [name])
    }

    @Test("A lease on the file makes no process wait, and ends")
    func lease() async throws {
        do { try attach(.readWrite, .persistent).set("x") }
        let script = """
            import fcntl, os, signal, sys
            descriptor = os.open(sys.argv[1], os.O_RDWR)
            signal.signal(signal.SIGIO, signal.SIG_IGN)
            fcntl.fcntl(descriptor, 1024, fcntl.F_WRLCK)
            print("leased", flush=True)
            sys.stdin.read()
            """
        for command in [ProbeCommand.get, .readOnce(.readOnly), .unlink] {
            // The kernel ends the lease 45 s after another process has asked for the file.
            let holder = try ChildProcess("python3", ["-c", script, path])
            _ = try await holder.line(beginning: "leased")
            let child = try ChildProcess.probe(command, directory, name)
            let result = try await child.finish()
            #expect(result.status == 1 && result.errors.contains("try again"), "\(command): \(result.errors)")
            holder.kill()
            _ = try await holder.finish()
        }
        #expect(try attach().get() == "x")
    }

    @Test("Output to a closed standard stream does not go into the segment")
    func closedStandardStreams() async throws {
        let result = try await run(
            """
            p hold persistent >/dev/null; p set x >/dev/null
            "$probe" "$directory" text hold whileAttached </dev/null >&-
            "$probe" "$directory" text hold whileAttached <&- >&- 2>&-
            p get
            """)
        #expect(result.text == "x", "\(result.errors)")
    }

    // MARK: Directories and users

    @Test(
        "In a directory without write permission, creating is an error, but reading and setting an existing segment works",
        .enabled(if: geteuid() == 0))
    func readOnlyDirectory() async throws {
        do { try attach(.readWrite, .persistent).set("x") }
        #expect(chown(path, 12_345, 12_345) == 0 && chmod(directory.path, 0o555) == 0)
        let user = "setpriv --reuid 12345 --regid 12345 --clear-groups"
        let result = try await run(
            """
            as() { \(user) "$probe" "$directory" "$@" </dev/null 2>&1; }
            as new set y
            as text set y; as text read-once readOnly
            as text unlink
            """)
        let lines = result.text.split(separator: "\n").map(String.init)
        try #require(lines.count == 4, "\(lines)")
        #expect(lines[0].contains("Permission denied"), "\(lines)")
        #expect(lines[0].contains("use a directory that you can write to"), "\(lines)")
        #expect(lines[1].hasSuffix("-2") && lines[2].contains("-2 "), "\(lines)")
        #expect(lines[3].contains("Permission denied"), "\(lines)")
        #expect(try directory.names == ["text.sharedmem"])
    }

    @Test(
        "On a tmpfs that is mounted read-only, reading works, and the other errors say what to do",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
    func readOnlyMount() async throws {
        let result = try await run(
            """
            mount -t tmpfs none "$directory"
            p hold persistent >/dev/null; p set-checksummed 100 1 >/dev/null
            mount -o remount,ro "$directory"
            p read-once readOnly
            p set y; p unlink
            """, unsharing: "--mount")
        let lines = result.text.split(separator: "\n").map(String.init)
        try #require(lines.count == 3, "\(lines)")
        #expect(lines[0].hasSuffix("-1 true"))
        for line in lines[1...] { #expect(line.contains("Use a directory that you can write to"), "\(line)") }
    }

    @Test(
        "In a user namespace that maps no users, files of the overflow user are not trusted",
        .enabled("makes user namespaces") {
            (try? await ChildProcess.run("unshare", ["--user", "/bin/true"]).status) == 0
        })
    func overflowUser() async throws {
        let segment = try attach()
        try segment.set("x")
        let result = try await run("p get", unsharing: "--user")
        #expect(result.text.contains("belongs to user 65534"), "\(result.text)")
        extendLifetime(segment)
    }

    // MARK: Limits

    @Test(
        "Without descriptors for the first, second or third file that it opens, every call is an error and leaves nothing behind"
    )
    func noDescriptors() async throws {
        do { try attach(.readWrite, .persistent).set("x") }
        let result = try await run(
            """
            for limit in 3 4 5 6; do
                for call in "get" "set y" "read-once readOnly" "info" "list" "unlink"; do
                    (ulimit -n $limit; "$probe" "$directory" text $call </dev/null 2>&1)
                    [ $? -le 1 ] || echo "KILLED at $call with $limit"
                done
            done
            """)
        #expect(!result.text.contains("KILLED"), "\(result.text)")
        #expect(result.text.contains("Too many open files") && result.text.contains("ulimit -n"), "\(result.text)")
        #expect(try directory.names.allSatisfy { $0 == "text.sharedmem" })
    }

    @Test(
        "Too little address space for the mapping is an error that says which limit to raise, and leaves nothing behind"
    )
    func noAddressSpace() async throws {
        let result = try await run("ulimit -v 150000; p set x")
        #expect(result.text.contains("Cannot allocate memory") && result.text.contains("ulimit -v"), "\(result.text)")
        #expect(try directory.names == [])
    }
}
