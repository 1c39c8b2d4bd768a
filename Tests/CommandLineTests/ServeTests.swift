import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("serve", .fewAtATime)
struct ServeTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("A server that cannot listen creates no segment")
    func serveInVain() async throws {
        let result = try await sharedmem("serve", "--listen", "unix:/no/such/directory/socket")
        #expect(result.status == 1, "\(result.errors)")
        #expect(try directory.names == [])
    }

    @Test("A server that cannot attach a segment says so once")
    func serveUnattached() async throws {
        try await sharedmem("set", "--text", "x")
        let socket = "unix:\(directory.path)/socket"
        let result = try await sharedmem("serve", "--listen", socket, "--capacity", "5")
        #expect(result.status == 1 && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    }

    @Test("A server reports why it lost a segment, and when it has one again")
    func serveReports() async throws {
        let (server, url) = try await serve("--listen", "127.0.0.1:0")
        try Segment.unlink("shared", directory: directory.path)
        try Data("junk".utf8).write(to: URL(fileURLWithPath: directory.path(of: "shared")))
        for _ in 0..<2 {
            _ = try await ChildProcess.run("curl", ["-s", "-X", "PUT", "-d", "x", url])
            #expect(try await status(url) == "503")
        }
        try FileManager.default.removeItem(atPath: directory.path(of: "shared"))
        #expect(try await ChildProcess.run("curl", ["-s", "-X", "PUT", "-d", "x", url]).status == 0)
        let lines = try await stop(server).errors.split(separator: "\n").filter { $0.contains("\"warning\"") }
        #expect(lines.count == 2, "\(lines)")
        #expect(lines.first?.contains("\"message\":\"'shared' cannot be attached: \(directory.path)") == true)
        #expect(lines.last?.contains("\"message\":\"attached to 'shared' again") == true)
    }

    @Test("serve and the library share the text, and SIGTERM ends serve with status 0")
    func serve() async throws {
        let socket = "unix:\(directory.path)/socket"
        let (server, url) = try await serve("shared", "second", "--listen", "127.0.0.1:0", "--listen", socket)
        #expect(url.hasPrefix("http://127.0.0.1:") && url.hasSuffix("/shared"))
        _ = try await server.line(beginning: "listening on \(socket)")

        try Segment.attach("shared", AttachmentOptions(directory: directory.path)).set("from the library")
        #expect(try await ChildProcess.run("curl", ["-sf", url]).text == "from the library")
        #expect(
            try await ChildProcess.run("curl", ["-sf", "-T", "-", url + "/second"], input: Data("put".utf8)).status == 0
        )
        #expect(try await output("get", "second") == "put")

        let base = String(url.dropLast("/shared".count))
        #expect(try await sharedmem("healthcheck", base + "/livez").status == 0)
        #expect(try await sharedmem("healthcheck", base).status == 0)
        #expect(try await sharedmem("healthcheck", socket).status == 0)
        #expect(try await sharedmem("healthcheck", base + "/none").status == 1)
        _ = try await stop(server)
        #expect(try await sharedmem("healthcheck", base + "/livez").status == 1)
        #expect(try await sharedmem("healthcheck", socket).status == 1)
        #expect(try await output("get", "second") == "put")
    }

    @Test("serve does not listen to other hosts without a token unless it is told to")
    func serveNeedsToken() async throws {
        let refused = try await sharedmem("serve", "--listen", "0.0.0.0:0")
        #expect(refused.status == 1 && refused.errors.contains("--token-file"), "\(refused.errors)")
        #expect(try await sharedmem("serve", "--listen", "127.0.0.1:0", "--token-file", "/none").status == 1)
    }
}
