import Foundation
import TestSupport
import TestTraits
import Testing

/// The token file of `serve`, from its first reading to its replacement while the server runs.
@Suite("Token file", .fewAtATime)
struct TokenFileTests: CommandTests {
    let directory: TemporaryDirectory
    private var path: String { "\(directory.path)/tokens" }

    static let first = "token-of-the-first-file"
    static let second = "token-of-the-second-file"

    init() throws { directory = try TemporaryDirectory() }

    private func write(_ content: String, to path: String? = nil, mode: Int = 0o600) {
        let isWritten = FileManager.default.createFile(
            atPath: path ?? self.path, contents: Data(content.utf8), attributes: [.posixPermissions: mode])
        #expect(isWritten)
    }

    private func start() async throws -> (process: ChildProcess, url: String) {
        try await serve("--listen", "127.0.0.1:0", "--token-file", path)
    }

    private func isAccepted(_ token: String, _ url: String) async throws -> Bool {
        try await status(url, "-H", "Authorization: Bearer \(token)") == "200"
    }

    private func becomesAccepted(_ token: String, _ url: String) async throws {
        for _ in 0..<600 {
            if try await isAccepted(token, url) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("the token is not accepted")
    }

    @Test(
        "A file that all users can read is refused, with the command to run; a group may read it",
        arguments: [0o604, 0o644, 0o602])
    func mode(_ mode: Int) async throws {
        write(Self.first, mode: mode)
        let result = try await sharedmem("serve", "--listen", "127.0.0.1:0", "--token-file", path)
        #expect(result.status == 1 && result.errors.contains("run \"chmod o= '\(path)'\""), "\(result.errors)")
        #expect(try await ChildProcess.run("chmod", ["o=", path]).status == 0)
        _ = try await stop(start().process)
    }

    @Test(
        "A file that cannot be used is refused, with its name and the line, but without a token",
        arguments: [
            ("", "no token"), ("\(first)\n\(second) role=owner", "In line 2, the role is unknown"),
            ("\(first)\n\(second) \(first)\n", "In line 2"),
        ])
    func faults(_ content: String, _ problem: String) async throws {
        write(content)
        let result = try await sharedmem("serve", "--listen", "127.0.0.1:0", "--token-file", path)
        #expect(
            result.status == 1 && result.errors.contains(path) && result.errors.contains(problem), "\(result.errors)")
        #expect(!result.errors.contains("token-of"))
        let missing = try await sharedmem("serve", "--listen", "127.0.0.1:0", "--token-file", "/none")
        #expect(missing.status == 1 && missing.errors.contains("/none cannot be read"), "\(missing.errors)")
    }

    @Test("What is not a regular file is refused, and not waited for")
    func fifo() async throws {
        try #require(mkfifo(path, 0o600) == 0)
        let result = try await sharedmem("serve", "--listen", "127.0.0.1:0", "--token-file", path)
        #expect(result.status == 1 && result.errors.contains("not a regular file"), "\(result.errors)")
        // In place of the file of a running server, it does not hold up the shutdown either.
        #expect(unlink(path) == 0)
        write(Self.first)
        let (server, _) = try await start()
        try #require(unlink(path) == 0 && mkfifo(path, 0o600) == 0)
        try await reported("not a regular file", by: server)
        server.send(SIGHUP)
        _ = try await stop(server)
    }

    enum Replacement: CaseIterable, Sendable { case written, renamed, mounted, released, hangUp }

    @Test("New tokens count as soon as the file has them, however it is replaced", arguments: Replacement.allCases)
    func replaced(_ how: Replacement) async throws {
        if how == .mounted || how == .released {
            // As Kubernetes mounts a secret: a link to a link, which is replaced. As releases are installed: a link to a
            // directory further up, here through a directory that the file's own does not show.
            for (number, token) in [Self.first, Self.second].enumerated() {
                try FileManager.default.createDirectory(
                    atPath: "\(directory.path)/\(number)", withIntermediateDirectories: false)
                write(token, to: "\(directory.path)/\(number)/tokens")
            }
            try FileManager.default.createDirectory(
                atPath: "\(directory.path)/links", withIntermediateDirectories: false)
            let (link, target) = how == .mounted ? ("data", "data/tokens") : ("links/data", "links/data/tokens")
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory.path)/\(link)", withDestinationPath: "\(directory.path)/0")
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
        } else {
            write(Self.first)
        }
        let (server, url) = try await start()
        #expect(try await isAccepted(Self.first, url))
        #expect(try await !isAccepted(Self.second, url))
        switch how {
        case .written: try Self.second.write(toFile: path, atomically: false, encoding: .utf8)
        case .renamed:
            write(Self.second, to: path + "-new")
            #expect(rename(path + "-new", path) == 0)
        case .mounted, .released:
            let link = "\(directory.path)/" + (how == .mounted ? "data" : "links/data")
            try FileManager.default.createSymbolicLink(
                atPath: link + "-new", withDestinationPath: "\(directory.path)/1")
            #expect(rename(link + "-new", link) == 0)
        case .hangUp:
            try Self.second.write(toFile: path, atomically: false, encoding: .utf8)
            server.send(SIGHUP)
        }
        try await becomesAccepted(Self.second, url)
        #expect(try await !isAccepted(Self.first, url))
        let errors = try await stop(server).errors
        #expect(
            errors.contains("\"level\":\"notice\",\"message\":\"\(path) was read again: 1 token\"")
                && !errors.contains("token-of"), "\(errors)"
        )
    }

    @Test("While the file has a fault, the tokens stay as they were, and each fault is reported once")
    func broken() async throws {
        write(Self.first)
        let (server, url) = try await start()
        for content in ["\(Self.second) role=owner", "# no token yet"] {
            write(content)
            try await reported(content.hasPrefix("#") ? "there is no token" : "the role is unknown", by: server)
            #expect(try await isAccepted(Self.first, url))
        }
        #expect(unlink(path) == 0)
        try await reported("cannot be read", by: server)
        #expect(try await isAccepted(Self.first, url))
        write(Self.second)
        try await becomesAccepted(Self.second, url)
        let errors = try await stop(server).errors
        #expect(errors.components(separatedBy: "the role is unknown").count == 2, "\(errors)")
        #expect(
            errors.contains("The server goes on with what it read before.") && !errors.contains("token-of"), "\(errors)"
        )
    }

    private func reported(_ text: String, by server: ChildProcess) async throws {
        try await eventually("'\(text)'") { server.errorsSoFar.contains(text) ? () : nil }
    }

    @Test("SIGHUP without a token file changes nothing, and is not the end")
    func nothingToReload() async throws {
        let (server, url) = try await serve("--listen", "127.0.0.1:0")
        server.send(SIGHUP)
        try await reported("\"level\":\"notice\",\"message\":\"SIGHUP: there is no file to read again\"", by: server)
        #expect(try await status(url) == "200")
        _ = try await stop(server)
    }

    @Test("A thousand SIGHUPs and replacements under load lose no request")
    func storm() async throws {
        write("\(Self.first)\n")
        let (server, url) = try await start()
        let clients = try (0..<2).map { _ in
            try ChildProcess(
                "curl",
                [
                    "-s", "-o", "/dev/null", "-w", "%{http_code}\n", "-H", "Authorization: Bearer \(Self.first)",
                    "\(url)?[1-2000]",
                ])
        }
        for round in 0..<1000 {
            server.send(SIGHUP)
            if round % 10 == 0 { write("\(Self.first)\ntoken-number-\(10_000 + round)\n") }
        }
        for client in clients {
            let codes = try await client.finish(within: 120).text.split(separator: "\n")
            #expect(codes.count == 2000 && codes.allSatisfy { $0 == "200" })
        }
        try await becomesAccepted("token-number-10990", url)
        _ = try await stop(server)
    }
}
