import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("chmod", .fewAtATime)
struct ChmodTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("It changes the mode and the group, and keeps the text, its version and all attachments")
    func changes() async throws {
        let segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        let version = try segment.set("here")
        #expect(try await output("chmod", "text", "644") == "")
        #expect(try Segment.info("text", directory: directory.path).mode == 0o644)
        #expect(try await output("chmod", "text", "660", "--group", "\(getegid())") == "")
        let info = try Segment.info("text", directory: directory.path)
        #expect(info.mode == 0o660 && info.group == getegid() && info.version == version)
        #expect(try segment.get() == "here" && !segment.isUnlinked)
    }

    @Test("It creates nothing, and takes only modes that leave the owner the segment")
    func refuses() async throws {
        #expect(try await sharedmem("chmod", "text", "644").status == 1)
        #expect(try directory.names == [])
        try await sharedmem("set", "text", "--text", "x")
        for arguments in [["text"], ["text", "777"], ["text", "044"], ["text", "644", "--group", "no-such-group"]] {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["chmod"] + arguments + ["--directory", directory.path])
            #expect(result.status == 64, "\(arguments): \(result.errors)")
        }
        #expect(try Segment.info("text", directory: directory.path).mode == 0o600)
    }

    @Test("A reader that may only read is woken by a change after it", .enabled(if: geteuid() == 0))
    func wakes() async throws {
        #expect(chmod(directory.path, 0o755) == 0)
        try await sharedmem("set", "text", "--text", "first")
        try await sharedmem("chmod", "text", "644")
        let reader = try ChildProcess(
            "setpriv",
            [
                "--reuid", "12345", "--regid", "12345", "--clear-groups", ChildProcess.product("sharedmem"), "watch",
                "text", "--directory", directory.path,
            ])
        _ = try await reader.line(beginning: "first")
        try await sharedmem("set", "text", "--text", "second")
        _ = try await reader.line(beginning: "second")
        reader.send(SIGTERM)
        #expect(try await reader.finish().status == 0)
    }
}
