import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// What `watch` prints.
@Suite("watch", .fewAtATime)
struct WatchTests: WatchingTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    // MARK: Texts

    @Test(
        "The output ends with at least one line feed, or is exact and ends with a zero byte",
        arguments: ["", "x", "x\n", "\r", "a\rb", "a\r\n", "\n\n", "ñ 東京 🦤"])
    func ends(_ text: String) async throws {
        try segment().set(text)
        let line = try await watch("--once").finish()
        #expect(line.output == Data((text.utf8.last == 10 ? text : text + "\n").utf8) && line.errors == "")
        for null in ["--null", "-0"] {
            let exact = try await watch("--once", null).finish()
            #expect(exact.output == Data((text + "\0").utf8) && exact.status == 0)
        }
    }

    @Test("Text of 1 MiB is printed whole")
    func large() async throws {
        let text = String(repeating: "0123456789abcde\n", count: 1 << 16)
        try segment().set(text)
        #expect(try await watch("--once").finish().output == Data(text.utf8))
    }

    @Test("The current text is printed, then each later version as it comes; -v prints versions on standard error")
    func prints() async throws {
        let segment = try segment()
        var versions = [try segment.set("1")]
        let watch = try watch("-v")
        try await printed("1\n", by: watch)
        for (number, all) in [(2, "1\n2\n"), (3, "1\n2\n3\n")] {
            versions.append(try segment.set("\(number)"))
            try await printed(all, by: watch)
        }
        #expect(try await end(watch).errors == versions.map { "\($0)\n" }.joined())
    }

    @Test("Of 200 versions set quickly, the last is printed, in order and each with its version number")
    func quick() async throws {
        let segment = try segment()
        try segment.set("1")
        let watch = try watch("-v")
        try await printed("1\n", by: watch)
        for number in 2...200 { try segment.set("\(number)") }
        _ = try await watch.line(beginning: "200")
        let result = try await end(watch)
        let numbers = result.text.split(separator: "\n").compactMap { UInt64($0) }
        #expect(result.errors.split(separator: "\n").map { Version(String($0))?.number } == numbers)
        #expect(numbers.last == 200 && zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "\(numbers)")
    }

    @Test("--after leaves out the version that the caller has, and no other")
    func after() async throws {
        let segment = try segment()
        let first = try segment.set("1")
        let second = try segment.set("2")
        for other in [first, Version(instance: second.instance ^ 1, number: 2)] {
            #expect(try await watch("--once", "--after", "\(other)").finish().text == "2\n")
        }
        let watch = try watch("--after", "\(second)")
        let once = try self.watch("--once", "--after", "\(second)")
        try await isAttached(watch)
        try await isAttached(once)
        #expect(watch.outputSoFar == "" && once.outputSoFar == "")
        try segment.set("3")
        #expect(try await once.finish().text == "3\n")
        try await printed("3\n", by: watch)
        _ = try await end(watch)
    }

    // MARK: Segments that are not there

    @Test("A missing segment or a leftover is an error, and no segment is created")
    func notFound() async throws {
        for hasLeftover in [false, true] {
            if hasLeftover { try await leaveBehind() }
            let result = try await watch().finish()
            #expect(result.status == 1 && result.output.isEmpty)
            #expect(result.errors.hasPrefix("sharedmem: There is no segment 'text' in \(directory.path)"))
            #expect(try directory.names == [])
        }
    }

    @Test(
        "A leftover that only another user may remove is an error that says so, and with --wait counts as missing",
        .enabled(if: geteuid() == 0),
        arguments: ["", "--wait"])
    func leftoverOfAnotherUser(_ option: String) async throws {
        try await leaveBehind()
        chmod(directory.path(of: "text"), 0o666)
        chmod(directory.path, 0o1777)
        let watch = try ChildProcess(
            "setpriv", Self.asUser + [ChildProcess.product("sharedmem"), "watch", "text", option].filter { $0 != "" },
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
        if option == "" {
            let result = try await watch.finish()
            #expect(result.status == 1 && result.errors.contains("was left behind by processes"), "\(result.errors)")
        } else {
            try await sleeps(watch)
            _ = try await end(watch)
        }
    }

    @Test(
        "--wait waits for the segment, and for the next one after it is unlinked, and creates none",
        arguments: [false, true])
    func waits(_ hasLeftover: Bool) async throws {
        if hasLeftover { try await leaveBehind() }
        let watch = try watch("--wait", "-v")
        try await sleeps(watch)
        #expect(try watch.outputSoFar == "" && directory.names == [])
        var versions: [Version] = []
        for (text, all) in [("a", "a\n"), ("b", "a\nb\n"), ("c", "a\nb\nc\n")] {
            let segment = try segment()
            // One time, watch sees the empty text, which nobody has set.
            if text == "a" { try await isAttached(watch) }
            versions.append(try segment.set(text))
            try await printed(all, by: watch)
            try Segment.unlink("text", directory: directory.path)
            if text != "b" { try await hasLeftRemovedSegment(watch) }
            #expect(try directory.names == [])
        }
        #expect(try await end(watch).errors == versions.map { "\($0)\n" }.joined())
        #expect(try directory.names == [])
    }

    @Test("Without --wait, an unlinked segment ends watch with an error, after the last version")
    func unlinked() async throws {
        let segment = try segment()
        let version = try segment.set("1")
        let watch = try watch()
        try await printed("1\n", by: watch)
        // Set between the moments when watch looks at the name and at the text.
        let late = try self.watch("--after", "\(version)", environment: ["SHAREDMEM_PAUSE_AT": "waitCheckedName"])
        try await late.stopped()
        try segment.set("2")
        try Segment.unlink("text", directory: directory.path)
        late.send(SIGCONT)
        for (process, text) in [(watch, "1\n2\n"), (late, "2\n")] {
            let result = try await process.finish()
            #expect(result.status == 1 && result.text == text)
            #expect(result.errors == "sharedmem: \(SegmentError.unlinked(name: "text"))\n")
        }
    }

    // MARK: Attaching

    @Test("A segment with lifetime whileAttached stays while it is watched, and no longer")
    func keepsAlive() async throws {
        var segment: Segment? = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        try segment?.set("x")
        let watch = try watch()
        try await printed("x\n", by: watch)
        #expect(
            try Segment.info("text", directory: directory.path).attached.map(\.processID).contains(Int(watch.processID))
        )
        segment = nil
        #expect(try directory.names == ["text.sharedmem"])
        _ = try await end(watch)
        #expect(try directory.names == [])
    }

    @Test(
        "A segment that the user may only read is watched too", .enabled(if: geteuid() == 0), arguments: [0o644, 0o444])
    func readOnly(_ mode: mode_t) async throws {
        let segment = try segment()
        try segment.set("1")
        chmod(segment.path, mode)
        chmod(directory.path, 0o755)
        let watch = try ChildProcess(
            "setpriv", Self.asUser + [ChildProcess.product("sharedmem"), "watch", "text"],
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
        try await printed("1\n", by: watch)
        try segment.set("2")
        try await printed("1\n2\n", by: watch)
        _ = try await end(watch)
    }

    @Test("A killed watch leaves nothing behind")
    func killed() async throws {
        let segment = try segment()
        let watch = try watch()
        try await isAttached(watch)
        watch.kill()
        #expect(try await watch.finish().wasKilled)
        let info = try Segment.info("text", directory: directory.path)
        #expect(info.attachmentCount == 1 && info.pinCount == 0)
        #expect(try directory.names == ["text.sharedmem"])
        try segment.set("x")
        #expect(try await self.watch("--once").finish().text == "x\n")
    }

    @Test("A segment that stays busy while attaching exits with status 75")
    func busy() async throws {
        try await leaveBehind()
        let script = """
            import fcntl, os, struct, sys
            descriptor = os.open(sys.argv[1], os.O_RDWR)
            fcntl.fcntl(descriptor, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 12, 1, 0))
            print("locked", flush=True)
            sys.stdin.read()
            """
        let locker = try ChildProcess("python3", ["-c", script, directory.path(of: "text")])
        _ = try await locker.line(beginning: "locked")
        let result = try await watch().finish()
        #expect(result.status == 75 && result.errors.contains("try again"), "\(result.errors)")
    }

    @Test(
        "Wrong usage exits with status 64",
        arguments: [
            ["--after", "5"], ["--exec"], ["--once", "--exec"], ["-0", "--exec", "true"], ["--name", "text"], ["more"],
            ["--seconds", "5"],
        ])
    func wrongUsage(_ arguments: [String]) async throws {
        try segment().set("x")
        let result = try await watch(arguments).finish()
        #expect(result.status == 64 && result.output.isEmpty && result.errors.hasPrefix("Error: "), "\(result.errors)")
    }
}
