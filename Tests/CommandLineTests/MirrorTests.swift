import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// `sharedmem mirror`, with the file in one directory and the segment in another.
@Suite("mirror", .fewAtATime)
struct MirrorTests: CommandTests {
    let directory: TemporaryDirectory
    let files: TemporaryDirectory

    init() throws { (directory, files) = (try TemporaryDirectory(), try TemporaryDirectory()) }

    private var file: String { "\(files.path)/file" }

    private func mirror(_ arguments: String..., launcher: [String] = []) throws -> ChildProcess {
        let words =
            launcher + [ChildProcess.product("sharedmem"), "mirror", "text", file, "--directory", directory.path]
        return try ChildProcess(words[0], Array(words.dropFirst()) + arguments)
    }

    private func write(_ text: String, to path: String? = nil) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path ?? file))
    }

    private func link(_ target: String, at path: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }

    private func makeDirectory(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    private func isSet(_ text: String) async throws {
        try await eventually("'\(text)'") {
            (try? Segment.read("text", directory: directory.path))?.text == text ? () : nil
        }
    }

    private func reports(_ words: String, _ mirror: ChildProcess) async throws {
        do {
            try await eventually("'\(words)'") { mirror.errorsSoFar.contains(words) ? () : nil }
        } catch {
            Issue.record("\(error), but: \(mirror.errorsSoFar)")
            throw error
        }
    }

    // MARK: Changes of the file

    struct Change: CustomTestStringConvertible, Sendable {
        let testDescription: String
        /// Makes the file with the text that is given.
        var make: @Sendable (MirrorTests, String) throws -> Void = { try $0.write($1) }
        let change: @Sendable (MirrorTests, String) throws -> Void
    }

    static let changes = [
        Change(testDescription: "written in place") { test, text in
            let handle = try #require(FileHandle(forWritingAtPath: test.file))
            try handle.truncate(atOffset: 0)
            try handle.write(contentsOf: Data(text.utf8))
            try handle.close()
        },
        Change(testDescription: "renamed over") { test, text in
            try test.write(text, to: test.file + ".new")
            #expect(rename(test.file + ".new", test.file) == 0)
        },
        Change(testDescription: "removed, and there again") { test, text in
            #expect(unlink(test.file) == 0)
            try test.write(text)
        },
        Change(
            testDescription: "a ConfigMap that Kubernetes updates",
            make: { test, text in
                let volume = test.files.path
                try test.makeDirectory("\(volume)/..one")
                try test.write(text, to: "\(volume)/..one/file")
                try test.link("..one", at: "\(volume)/..data")
                try test.link("..data/file", at: test.file)
            },
            change: { test, text in
                let volume = test.files.path
                try test.makeDirectory("\(volume)/..two")
                try test.write(text, to: "\(volume)/..two/file")
                try test.link("..two", at: "\(volume)/..data_tmp")
                #expect(rename("\(volume)/..data_tmp", "\(volume)/..data") == 0)
                try FileManager.default.removeItem(atPath: "\(volume)/..one")
            }),
        Change(
            testDescription: "behind a link to a directory, in another place, that is exchanged",
            make: { test, text in
                for (release, text) in [("1", text), ("2", "")] {
                    try test.makeDirectory("\(test.directory.path)/releases/\(release)/etc")
                    try test.write(text, to: "\(test.directory.path)/releases/\(release)/etc/file")
                }
                try test.link("1", at: "\(test.directory.path)/releases/current")
                try test.link("\(test.directory.path)/releases/current/../current/etc/file", at: test.file)
            },
            change: { test, text in
                let releases = "\(test.directory.path)/releases"
                try test.write(text, to: "\(releases)/2/etc/file")
                try test.link("2", at: "\(releases)/next")
                #expect(rename("\(releases)/next", "\(releases)/current") == 0)
            }),
    ]

    @Test("It sets the file's text at once, and again however the file changes", arguments: changes)
    func follows(_ change: Change) async throws {
        try change.make(self, "first")
        let mirror = try mirror("--verbose")
        try await isSet("first")
        try change.change(self, "second")
        try await isSet("second")
        // The directories that it watches are those of the new file.
        try write("third", to: URL(fileURLWithPath: file).resolvingSymlinksInPath().path)
        try await isSet("third")
        let end = try await stop(mirror)
        let versions = end.errors.split(separator: "\n").compactMap { Version(String($0)) }
        #expect(versions.last == (try Segment.read("text", directory: directory.path).version), "\(end.errors)")
    }

    @Test("A file in directories that are not there yet is set when it comes")
    func appears() async throws {
        let place = "\(files.path)/a/b"
        try link("a/b/file", at: file)
        let mirror = try mirror()
        try await reports("\(file) was not set. It cannot be read: No such file or directory.", mirror)
        try makeDirectory(place)
        try write("here", to: "\(place)/file")
        try await isSet("here")
        try await reports("'text' has the text of \(file) again.", mirror)
        _ = try await stop(mirror)
    }

    @Test("A file in a directory that cannot be watched is followed all the same", .enabled(if: geteuid() == 0))
    func unwatched() async throws {
        try write("first")
        #expect(chmod(files.path, 0o711) == 0 && chmod(directory.path, 0o1777) == 0)
        let mirror = try mirror(
            "--mode", "644", launcher: ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"])
        func isSet(_ text: String) async throws {
            try await eventually("'\(text)'") {
                let snapshot = try? Segment.read(
                    "text", directory: directory.path, trustedOwners: [TrustedOwner("12345")])
                return snapshot?.text == text ? () : nil
            }
        }
        try await isSet("first")
        try write("second")
        try await isSet("second")
        _ = try await stop(mirror)
    }

    // MARK: Texts that cannot be set

    static let faults: [(content: Data, words: String)] = [
        (Data([65, 0xff]), "The text is not UTF-8: the byte at offset 1 is invalid."),
        (Data("a\0b".utf8), "The text contains U+0000 at offset 1"),
        (Data("0123456789a".utf8), "It is longer than the segment's capacity of 10 bytes"),
        (Data(), "It is empty: write the text to it, or give --empty"),
    ]

    @Test("What cannot be set is reported once, and the segment keeps its text until the file is right")
    func faults() async throws {
        try Self.faults[0].content.write(to: URL(fileURLWithPath: file))
        let mirror = try mirror("--capacity", "10")
        try await reports(Self.faults[0].words, mirror)
        #expect(try directory.names == [])
        for (number, fault) in Self.faults.enumerated() {
            try write("good \(number)")
            try await isSet("good \(number)")
            try fault.content.write(to: URL(fileURLWithPath: file))
            try await reports(fault.words, mirror)
            #expect(try Segment.read("text", directory: directory.path).text == "good \(number)")
        }
        #expect(unlink(file) == 0)
        try await reports("It cannot be read: No such file", mirror)
        try #require(mkfifo(file, 0o600) == 0)
        try await reports("It is not a regular file", mirror)
        #expect(unlink(file) == 0)
        try write("good")
        try await isSet("good")
        let errors = try await stop(mirror).errors
        for fault in Self.faults.dropFirst() {
            #expect(errors.components(separatedBy: fault.words).count == 2, "\(errors)")
        }
    }

    @Test("With --empty, an empty file is the empty text")
    func empty() async throws {
        try write("")
        let mirror = try mirror("--empty", "--mode", "640")
        try await isSet("")
        let info = try Segment.info("text", directory: directory.path)
        #expect(info.version.number == 1 && info.mode == 0o640 && info.lifetime == .persistent)
        _ = try await stop(mirror)
    }

    @Test("A file that is written to all the time is not read, and set when the writer is done")
    func restless() async throws {
        try write("-")
        let writer = try ChildProcess(
            "python3",
            [
                "-c",
                """
                import os, select, sys
                file = os.open(sys.argv[1], os.O_WRONLY)
                while not select.select([sys.stdin], [], [], 0.001)[0]:
                    os.pwrite(file, b"half", 0)
                os.pwrite(file, b"whole", 0)
                """, file,
            ])
        let _: Bool = try await eventually("the writer") {
            try String(contentsOfFile: file, encoding: .utf8) == "half" ? true : nil
        }
        let mirror = try mirror()
        try await reports("It is written to all the time.", mirror)
        _ = try await writer.finish()
        try await isSet("whole")
        _ = try await stop(mirror)
    }

    @Test("Text that was too long is set once the segment is created again with a larger capacity")
    func largerCapacity() async throws {
        try write("0123456789a")
        try await sharedmem("set", "text", "--text", "before", "--capacity", "10")
        let mirror = try mirror()
        try await reports("capacity of 10 bytes", mirror)
        try await sharedmem("unlink", "text")
        try await isSet("0123456789a")
        _ = try await stop(mirror)
    }

    // MARK: Other writers

    @Test(
        "Text that the segment has already is not set again, and text of another process stays until the file changes")
    func others() async throws {
        try write("same")
        let segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        let version = try segment.set("same")
        var mirror = try mirror("--verbose")
        try await isAttached(mirror)
        #expect(try await stop(mirror).errors == "")
        #expect(try segment.version == version)

        mirror = try self.mirror()
        try await isAttached(mirror)
        try segment.set("another")
        // An event, after which it looks at the file's directory and not at the file.
        try write("unrelated", to: file + ".other")
        try write("changed")
        try await isSet("changed")
        #expect(try segment.version.number == 3)
        _ = try await stop(mirror)
    }

    private func isAttached(_ mirror: ChildProcess) async throws {
        try await eventually("its attachment") {
            try Segment.processes("text", directory: directory.path)
                .contains { $0.processID == Int(mirror.processID) } ? () : nil
        }
    }

    @Test("A segment that is removed is created again with the file's text")
    func removed() async throws {
        try write("here")
        let mirror = try mirror()
        try await isSet("here")
        let first = try Segment.read("text", directory: directory.path).version
        try await sharedmem("unlink", "text")
        try await isSet("here")
        #expect(try Segment.read("text", directory: directory.path).version != first)
        _ = try await stop(mirror)
    }

    // MARK: Usage

    @Test("A wrong name and a capacity that the segment does not have end it at once")
    func refused() async throws {
        try write("here")
        let name = try await sharedmem("mirror", ".text", file)
        #expect(name.status == 64 && name.errors.contains("not a segment name"), "\(name.errors)")
        #expect(try await sharedmem("mirror", "text").status == 64)
        #expect(try await sharedmem("mirror", "text", "").status == 64)
        try await sharedmem("set", "text", "--text", "before", "--capacity", "10")
        let capacity = try await sharedmem("mirror", "text", file, "--capacity", "20")
        #expect(capacity.status == 1 && capacity.errors.contains("exists with a capacity of 10"), "\(capacity.errors)")
        #expect(try await output("get", "text") == "before")
    }

    @Test(
        "As process 1 of a container, it ends at the first SIGTERM",
        .enabled("makes PID namespaces") { await PIDNamespace.isPermitted() })
    func processOne() async throws {
        try write("here")
        let mirror = try PIDNamespace.start(
            ChildProcess.product("sharedmem"), ["mirror", "text", file, "--directory", directory.path])
        try await isSet("here")
        let inner = try await eventually("process 1") { EverydayUseTests.children(of: Int(mirror.processID)).first }
        kill(pid_t(inner), SIGTERM)
        #expect(try await mirror.finish().status == 0)
    }
}
