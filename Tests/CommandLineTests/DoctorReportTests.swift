import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// What `doctor` says if nothing is wrong, and what it says of full tables, other processes and its arguments.
@Suite("sharedmem doctor: reports", .fewAtATime)
struct DoctorReportTests: CommandTests {
    let directory: TemporaryDirectory
    /// No other test uses it.
    let name: String

    init() throws {
        directory = try TemporaryDirectory()
        name = "doctor-\(directory.path.suffix(6))"
    }

    var path: String { directory.path(of: name) }

    private func findings(_ arguments: String...) async throws -> [DoctorCase.Finding] {
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["doctor", name, "--json"] + arguments,
            environment: ["SHAREDMEM_DIRECTORY": directory.path])
        // Other users' processes are there or not.
        return try JSONDecoder().decode([DoctorCase.Finding].self, from: result.output).filter { $0.cause != "unseen" }
    }

    @Test("If nothing is wrong, it says so, and shows what both sides see")
    func healthy() async throws {
        let holder = try ChildProcess.probe(.hold(), directory, name)
        _ = try await holder.line(beginning: "attached ")
        let segment = try Segment.attach(name, AttachmentOptions(directory: directory.path))
        let version = try segment.set("hello")
        let inode = try #require(
            try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int)
        for arguments in [["doctor", name], ["doctor", name, "\(holder.processID)"]] {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), arguments + ["--directory", directory.path])
            #expect(result.status == 0 && result.errors == "", "\(result.text)\(result.errors)")
            let lines = result.text.split(separator: "\n").map(String.init)
            #expect(lines.first == "Nothing is wrong with '\(name)'.")
            let page = lines.dropFirst().joined(separator: "\n")
            #expect(page.contains("\(path), inode \(inode), version \(version), 5 bytes"), "\(page)")
            #expect(page.contains("process \(holder.processID) (probe) "), "\(page)")
            // This process, the probe, and the test's own.
            #expect(page.components(separatedBy: "\(path), inode \(inode)").count == 4, "\(page)")
            #expect(page.contains("process \(getpid()) ("), "\(page)")
            #expect(!page.contains("problem"), "\(page)")
        }
        if geteuid() == 0 { #expect(try await output("doctor", name, "--json") == "[\n\n]\n") }
    }

    @Test("A server and a follower that attach to the next segment are no problem")
    func followers() async throws {
        let (server, _) = try await serve(name, "--listen", "unix:\(directory.path)/socket")
        let watch = try ChildProcess(
            ChildProcess.product("sharedmem"), ["watch", name, "--wait", "--directory", directory.path])
        try await sharedmem("set", name, "--text", "first\n")
        _ = try await watch.line(beginning: "first")
        try Segment.unlink(name, directory: directory.path)
        try await sharedmem("set", name, "--text", "second\n")
        _ = try await watch.line(beginning: "second")
        let found = try await findings()
        #expect(found.map(\.cause) == ["removed"] && found.first?.severity == "note", "\(found)")
        #expect(found.first?.subject == "process \(server.processID) (sharedmem)")
        #expect(try await status("http://localhost/shared", "--unix-socket", "\(directory.path)/socket") == "200")
        #expect(try await findings() == [])
        _ = try await stop(server)
    }

    @Test("A process that leaves a removed file while doctor looks is no problem", .enabled(if: geteuid() == 0))
    func leaving() async throws {
        let holder = try ChildProcess.probe(.hold(), directory, name)
        _ = try await holder.line(beginning: "attached ")
        try FileManager.default.removeItem(atPath: path)
        try await sharedmem("set", name, "--text", "x")
        let doctor = try ChildProcess(
            ChildProcess.product("sharedmem"), ["doctor", name, "--json", "--directory", directory.path])
        // It has seen the holder, and is about to look again.
        let _: Bool = try await eventually("the pause") {
            let call = try String(contentsOfFile: "/proc/\(doctor.processID)/syscall", encoding: .utf8)
            // clock_nanosleep on x86 and on ARM.
            return ["230", "115"].contains(call.prefix { $0 != " " }) ? true : nil
        }
        holder.kill()
        _ = try await holder.finish()
        let end = try await doctor.finish()
        #expect(end.status == 0 && end.text == "[\n\n]\n", "\(end.text)")
    }

    @Test(
        "It sees a process in another PID namespace",
        .enabled("makes PID namespaces") { await PIDNamespace.isPermitted() })
    func processNamespace() async throws {
        let holder = try PIDNamespace.start(
            ProbeCommand.executable, ProbeCommand.hold().arguments(directory.path, name))
        _ = try await holder.line(beginning: "attached ")
        #expect(try await output("doctor", name).contains(" (probe) "))
        try FileManager.default.removeItem(atPath: path)
        #expect(try await findings().first?.cause == "removed")
    }

    @Test("Full tables are notes, because nothing fails")
    func tables() async throws {
        let segment = try Segment.attach(
            name, AttachmentOptions(rowCount: 3, pinCount: 1, directory: directory.path))
        try segment.set("x")
        let reader = try ChildProcess.probe(.keepReaders(count: 1), directory, name)
        let _: Bool = try await eventually("the reader's pin") {
            try Segment.info(name, directory: directory.path).pinCount == 1 ? true : nil
        }
        let found = try await findings()
        #expect(
            found.map(\.cause) == ["rowsTaken", "pinsTaken"] && found.allSatisfy { $0.severity == "note" }, "\(found)")
        #expect(found.first?.seen == "2 of 3 rows are in use." && found.last?.seen == "1 of 1 pins are in use.")
        _ = try await reader.finish()
        #expect(try await findings() == [])
    }

    @Test("A borrow that ends while doctor looks is no old version")
    func passingBorrows() async throws {
        let segment = try Segment.attach(name, AttachmentOptions(lifetime: .persistent, directory: directory.path))
        try segment.set("x")
        // At almost any moment, an old version is held, and each for a short time.
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    try segment.withBytes { _ in
                        _ = try? segment.set("x")
                        usleep(10_000)
                    }
                }
            }
            defer { group.cancelAll() }
            // On a busy machine, a borrow may last longer.
            var counts: [Int] = []
            while counts.count < 10, counts.last != 0 {
                counts.append(try await findings().count { $0.cause == "oldVersion" })
            }
            #expect(counts.last == 0, "\(counts)")
        }
    }

    @Test("A memory cgroup that is nearly full is a note", .enabled("makes cgroups") { MemoryLimit.isPermitted })
    func memoryLimit() async throws {
        try await sharedmem("set", name, "--text", "x", "--capacity", "64M")
        let limit = try MemoryLimit(byteCount: 32 << 20)
        let result = try await ChildProcess.run(
            "/bin/sh",
            [
                "-c", "echo $$ >\"$0/cgroup.procs\"; exec \"$1\" doctor \"$2\" --json", limit.path,
                ChildProcess.product("sharedmem"), name,
            ], environment: ["SHAREDMEM_DIRECTORY": directory.path])
        let found = try JSONDecoder().decode([DoctorCase.Finding].self, from: result.output)
        #expect(result.status == 0 && found.map(\.cause) == ["memoryLimit"], "\(found)")
        let repair = try #require(found.first?.fix.first)
        #expect(try await ChildProcess.run("/bin/sh", ["-c", repair]).status == 0, "\(repair)")
        let after = try await ChildProcess.run(
            "/bin/sh",
            [
                "-c", "echo $$ >\"$0/cgroup.procs\"; exec \"$1\" doctor \"$2\" --json", limit.path,
                ChildProcess.product("sharedmem"), name,
            ], environment: ["SHAREDMEM_DIRECTORY": directory.path])
        #expect(after.text == "[\n\n]\n", "\(after.text)")
    }

    @Test("A number alone is a process, and a process that does not exist is wrong usage")
    func arguments() async throws {
        try await sharedmem("set", name, "--text", "x")
        try await sharedmem("set", "123", "--text", "x")
        #expect(try await output("doctor", "--name", "123").hasPrefix("Nothing is wrong with '123'."))
        let holder = try ChildProcess.probe(.hold(), directory, "123")
        _ = try await holder.line(beginning: "attached ")
        for arguments in [[name, "\(holder.processID)"], ["--name", name, "\(holder.processID)"]] {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["doctor"] + arguments + ["--directory", directory.path])
            #expect(result.status == 1 && result.text.contains("problem: another name\n"), "\(result.text)")
        }
        let alone = try await sharedmem("doctor", "\(holder.processID)")
        #expect(alone.text.contains("with 'shared'") && alone.text.contains("problem: another name\n"), "\(alone.text)")
        for arguments in [["4194305"], [name, "4194305"], [name, "x"], ["a", "--name", "b"], ["a b"]] {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["doctor"] + arguments + ["--directory", directory.path])
            #expect(result.status == 64, "\(arguments): \(result.text)\(result.errors)")
        }
    }

    @Test("The names of programs and directories cannot control the terminal, nor become commands")
    func hostileNames() async throws {
        let place = "\(directory.path)/\u{1b}[2J; touch x '"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        let script = """
            set -e
            cd "$3"; "$1" doctor "$2" --directory "$4" --json >found || :
            python3 -c 'import json; print(json.load(open("found"))[0]["fix"][0])' >fix
            PATH=$(dirname "$1"):$PATH; . ./fix
            "$1" doctor "$2" --directory "$4"
            """
        let result = try await ChildProcess.run(
            "/bin/bash", ["-c", script, "bash", ChildProcess.product("sharedmem"), name, directory.path, place])
        #expect(result.status == 0 && result.text.contains("Nothing is wrong"), "\(result.text)\(result.errors)")
        #expect(!result.text.contains("\u{1b}"))
        #expect(!FileManager.default.fileExists(atPath: "\(directory.path)/x"))
    }

    @Test("The operations guide explains each cause, and no other")
    func documented() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        func content(_ path: String) throws -> String {
            try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
        }
        // The test cannot import a program, so it reads the list.
        let list = try content("Sources/sharedmem/Doctor/Finding.swift")
        let causes = list.matches(of: #/\n {8}case ([a-zA-Z, \n]+?)(?=\n {8}[^ ]|\n\n|\n {4}})/#)
            .flatMap { $0.output.1.split(separator: ",").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) } }
        let rows = try content("docs/operations.md").matches(of: #/\n\| `([a-zA-Z]+)` \| (?:problem|note)/#)
        #expect(causes.count > 30)
        #expect(Set(rows.map { String($0.output.1) }) == Set(causes).subtracting(["problem", "note"]))
    }
}

/// A memory cgroup with a limit, of either version.
private final class MemoryLimit {
    let path: String

    private static let parent: (path: String, file: String)? = {
        let first = "/sys/fs/cgroup/memory"
        if FileManager.default.fileExists(atPath: first + "/memory.limit_in_bytes") {
            return (first, "memory.limit_in_bytes")
        }
        let controllers = try? String(contentsOfFile: "/sys/fs/cgroup/cgroup.subtree_control", encoding: .utf8)
        return controllers?.contains("memory") == true ? ("/sys/fs/cgroup", "memory.max") : nil
    }()

    static var isPermitted: Bool { (try? MemoryLimit(byteCount: 32 << 20)) != nil }

    init(byteCount: Int) throws {
        guard let parent = Self.parent else { throw CocoaError(.featureUnsupported) }
        path = "\(parent.path)/sharedmem-test-\(UUID())"
        try check(mkdir(path, 0o755))
        let file = open("\(path)/\(parent.file)", O_WRONLY)
        defer { close(file) }
        let text = "\(byteCount)"
        try check(write(file, text, text.utf8.count) == text.utf8.count ? 0 : -1)
    }

    deinit { rmdir(path) }

    private func check(_ result: CInt) throws {
        if result != 0 { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }
}
