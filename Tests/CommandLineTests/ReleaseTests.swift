import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("sharedmem release", .fewAtATime)
struct ReleaseTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("Text from a server is set through it only; the segment is released when no server replicates it any more")
    func releases() async throws {
        let elsewhere = try TemporaryDirectory()
        let origin = try ChildProcess(
            ChildProcess.product("sharedmem"),
            ["serve", "flags", "--directory", elsewhere.path, "--listen", "127.0.0.1:0"])
        let source = try await origin.line(beginning: "listening on ")
        let (server, url) = try await serve(
            "flags", "--follow", String(source.dropLast("/shared".count)), "--listen", "127.0.0.1:0")
        #expect(
            try await status(url + "/flags", "-X", "PUT", "-d", "from elsewhere", "-H", "Content-Type: text/plain")
                == "204")
        #expect(try await output("get", "flags") == "from elsewhere")

        let local = url.replacing("127.0.0.1", with: "localhost")
        for command in [
            ["set", "flags", "--text", "x"], ["edit", "flags"],
            ["set", "flags", "--text", "x", "--if-version", "0123456789abcdef-1"],
        ] {
            let refused = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), command,
                environment: ["SHAREDMEM_DIRECTORY": directory.path, "EDITOR": "false"])
            #expect(
                refused.status == 1 && refused.errors.contains("curl --upload-file FILE \(local)/flags"),
                "\(refused.errors)")
        }
        // As the error says.
        let curl = try await ChildProcess.run(
            "curl", ["-sS", "--upload-file", "-", "\(local)/flags"], input: Data("new".utf8))
        #expect(curl.status == 0 && curl.errors == "", "\(curl.errors)")
        #expect(try await output("get", "flags") == "new")
        #expect(try await output("info", "flags").contains("replica   yes, by the server at \(local)/flags\n"))
        let early = try await sharedmem("release", "flags")
        #expect(early.status == 1 && early.errors.contains("stop the server"), "\(early.errors)")

        _ = try await stop(server)
        let refused = try await sharedmem("set", "flags", "--text", "x")
        #expect(
            refused.status == 1 && refused.errors.contains("`sharedmem release flags --directory \(directory.path)`"),
            "\(refused.errors)")
        #expect(try await output("info", "flags").contains("replica   yes, but no server is replicating it now\n"))
        #expect(try await output("release", "flags") == "Programs on this host can set the text of 'flags'.\n")
        #expect(try await output("release", "flags") == "'flags' is not replicated, so nothing was changed.\n")
        #expect(try await output("get", "flags") == "new")
        #expect(try await output("set", "flags", "--text", "x") == "")
        #expect(try await output("info", "flags").contains("replica   no\n"))
        _ = try await stop(origin)
    }

    @Test("A server that does not replicate says so at a replicated segment, and restores nothing into it")
    func plainServer() async throws {
        let kept = try TemporaryDirectory()
        let arguments = ["flags", "--listen", "127.0.0.1:0", "--keep", kept.path + "/texts"]
        let (first, url) = try await serve(arguments)
        #expect(try await status(url, "-X", "PUT", "-d", "kept", "-H", "Content-Type: text/plain") == "204")
        _ = try await stop(first)
        #expect(try await output("unlink", "flags") == "")
        let options = AttachmentOptions(lifetime: .persistent, directory: directory.path)
        let segment = try Segment.attach("flags", options)
        let file = try #require(FileHandle(forWritingAtPath: segment.path))
        try file.seek(toOffset: 204)
        try file.write(contentsOf: [0, 0, 1, 0])
        let (second, next) = try await serve(arguments)
        #expect(try await status(next, "-X", "PUT", "-d", "x", "-H", "Content-Type: text/plain") == "409")
        #expect(try segment.version.number == 0)
        #expect(try await stop(second).errors.contains("'flags' is marked as replicated"))
    }

    @Test("Nothing is released that does not exist, and wrong usage is told")
    func refuses() async throws {
        let missing = try await sharedmem("release", "none")
        #expect(missing.status == 1 && missing.errors.contains("There is no segment 'none'"), "\(missing.errors)")
        #expect(try await sharedmem("release").status == 64)
        #expect(try directory.names == [])
    }
}
