import Foundation
import TestSupport
import TestTraits
import Testing

/// The files of `serve --tls-…`, from their first reading to their replacement while the server runs.
@Suite("TLS files", .fewAtATime)
struct TLSFilesTests: CommandTests {
    let directory: TemporaryDirectory
    private var certificate: String { "\(directory.path)/cert.pem" }
    private var key: String { "\(directory.path)/key.pem" }
    private var authorities: String { "\(directory.path)/ca.pem" }
    private var roles: String { "\(directory.path)/roles" }

    init() throws { directory = try TemporaryDirectory() }

    // MARK: Helpers

    private func write(_ content: Data, to path: String, mode: Int = 0o600) {
        #expect(
            FileManager.default.createFile(atPath: path, contents: content, attributes: [.posixPermissions: mode]))
    }

    private func content(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

    /// Puts a server's certificate, its key and the clients' authorities in place.
    private func install(_ name: String) async throws {
        let certificates = try await TestCertificates.shared()
        write(try content(certificates.key(name)), to: key)
        write(try content(certificates.certificate(name)), to: certificate, mode: 0o644)
        write(try content(certificates.certificate("ca")), to: authorities, mode: 0o644)
    }

    private func start(_ arguments: String...) async throws -> (process: ChildProcess, url: String) {
        try await serve(
            ["--listen", "https://127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key] + arguments)
    }

    private func status(_ url: String, as client: String?, _ arguments: String...) async throws -> String {
        let certificates = try await TestCertificates.shared()
        let quiet = ["-o", "/dev/null", "-w", "%{http_code}", url]
        return try await ChildProcess.run("curl", certificates.curl(as: client) + quiet + arguments).text
    }

    /// The common name of the certificate that a new connection gets.
    private func subject(_ url: String) async throws -> String {
        let address = try #require(url.dropFirst("https://".count).split(separator: "/").first.map(String.init))
        let result = try await ChildProcess.run("openssl", ["s_client", "-connect", address])
        let line = result.text.split(separator: "\n").first { $0.hasPrefix("subject=") } ?? ""
        return String(line.split(separator: " ").last ?? "")
    }

    private func becomes(_ expected: String, _ look: () async throws -> String) async throws {
        var found = ""
        for _ in 0..<600 {
            found = try await look()
            if found == expected { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("\(found) does not become \(expected)")
    }

    private func reported(_ text: String, by server: ChildProcess) async throws {
        try await eventually("'\(text)'") { server.errorsSoFar.contains(text) ? () : nil }
    }

    // MARK: Starting

    @Test("A server with a certificate prints URLs of https, and the health check finds it alive")
    func start() async throws {
        try await install("server")
        let (server, url) = try await start("one", "two", "--listen", "127.0.0.1:0")
        #expect(url.hasPrefix("https://127.0.0.1:") && url.hasSuffix("/shared"))
        #expect(server.outputSoFar.contains("\n  two: \(url)/two\nlistening on http://127.0.0.1:"))
        #expect(try await status(url, as: nil) == "200")
        let probe = url.replacing("/shared", with: "")
        #expect(try await sharedmem("healthcheck", "--ca", authorities, probe).status == 0)
        #expect(
            try await sharedmem("healthcheck", "--ca", authorities, "--server-name", "localhost", probe).status == 0)
        for (arguments, words) in [
            (["healthcheck", probe], "not trusted"),
            (["healthcheck", "--ca", authorities, "--server-name", "other.example", probe], "does not match"),
            (["healthcheck", "--ca", "/no/such/file", probe], "cannot be used"),
        ] {
            let result = try await ChildProcess.run(ChildProcess.product("sharedmem"), arguments)
            #expect(result.status == 1 && result.errors.lowercased().contains(words), "\(result.errors)")
        }
        let environment = [
            "SHAREDMEM_LISTEN": probe, "SHAREDMEM_HEALTHCHECK_CA": authorities,
            "SHAREDMEM_HEALTHCHECK_SERVER_NAME": "localhost",
        ]
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["healthcheck"], environment: environment)
        #expect(result.status == 0, "\(result.errors)")
        _ = try await stop(server)
    }

    @Test("A key that all users can read is refused, with the command to run", arguments: [0o604, 0o644, 0o602])
    func mode(_ mode: Int) async throws {
        try await install("server")
        chmod(key, mode_t(mode))
        let result = try await sharedmem(
            "serve", "--listen", "https://127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key)
        #expect(result.status == 1 && result.errors.contains("run \"chmod o= '\(key)'\""), "\(result.errors)")
        #expect(try await ChildProcess.run("chmod", ["o=", key]).status == 0)
        _ = try await stop(start().process)
    }

    @Test("What does not go together is refused, and says what to give")
    func combinations() async throws {
        try await install("server")
        let other = try await TestCertificates.shared().key("renewed")
        for (arguments, status, words) in [
            (["--listen", "https://127.0.0.1:0"], 64, "needs a certificate"),
            (["--listen", "https://127.0.0.1:0", "--tls-cert", certificate], 64, "--tls-key"),
            (["--listen", "https://127.0.0.1:0", "--tls-client-ca", authorities], 64, "--tls-cert"),
            (["--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key], 64, "listen on one"),
            (
                [
                    "--listen", "https://127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key,
                    "--tls-client-roles", roles,
                ], 64, "--tls-client-ca"
            ),
            (["--listen", "https://0.0.0.0:0", "--tls-cert", certificate, "--tls-key", key], 1, "--allow-anonymous"),
            (["--listen", "https://127.0.0.1:0", "--tls-cert", certificate, "--tls-key", other], 1, "do not match"),
            (["--listen", "https://127.0.0.1:0", "--tls-cert", "/no/file", "--tls-key", key], 1, "cannot be read"),
        ] as [([String], Int32, String)] {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["serve", "--directory", directory.path] + arguments)
            #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result.errors)")
        }
        let (server, url) = try await serve([
            "--listen", "https://0.0.0.0:0", "--tls-cert", certificate, "--tls-key", key, "--tls-client-ca",
            authorities,
        ])
        let local = url.replacing("0.0.0.0", with: "127.0.0.1")
        #expect(try await status(local, as: "unnamed", "-X", "PUT", "-d", "x") == "204")
        #expect(try await status(local, as: nil) == "000")
        _ = try await stop(server)
    }

    // MARK: Replacing

    enum Replacement: CaseIterable, Sendable { case written, renamed, mounted, hangUp }

    @Test("New connections get a new certificate as soon as its files are there", arguments: Replacement.allCases)
    func replaced(_ how: Replacement) async throws {
        let certificates = try await TestCertificates.shared()
        let files = [(certificate, certificates.certificate("renewed")), (key, certificates.key("renewed"))]
        try await install("server")
        if how == .mounted {
            // As Kubernetes mounts a secret: links to a link, which is replaced.
            for name in ["server", "renewed"] {
                try FileManager.default.createDirectory(
                    atPath: "\(directory.path)/\(name)", withIntermediateDirectories: false)
                write(
                    try content(certificates.certificate(name)), to: "\(directory.path)/\(name)/cert.pem", mode: 0o644)
                write(try content(certificates.key(name)), to: "\(directory.path)/\(name)/key.pem")
            }
            try FileManager.default.createSymbolicLink(atPath: "\(directory.path)/data", withDestinationPath: "server")
            for file in ["cert.pem", "key.pem"] {
                unlink("\(directory.path)/\(file)")
                try FileManager.default.createSymbolicLink(
                    atPath: "\(directory.path)/\(file)", withDestinationPath: "data/\(file)")
            }
        }
        let (server, url) = try await start()
        #expect(try await subject(url) == "server")
        switch how {
        case .written, .hangUp: for (path, new) in files { try content(new).write(to: URL(fileURLWithPath: path)) }
        case .renamed:
            for (path, new) in files {
                write(try content(new), to: path + "-new")
                #expect(rename(path + "-new", path) == 0)
            }
        case .mounted:
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory.path)/new", withDestinationPath: "renewed")
            #expect(rename("\(directory.path)/new", "\(directory.path)/data") == 0)
        }
        if how == .hangUp { server.send(SIGHUP) }
        try await becomes("renewed") { try await subject(url) }
        let errors = try await stop(server).errors
        #expect(
            errors.contains(
                "\"level\":\"notice\",\"message\":\"\(certificate) was read again: new connections get its certificate\""
            ))
    }

    @Test("While the files have a fault, the certificate stays as it was, and each fault is reported once")
    func broken() async throws {
        try await install("server")
        let (server, url) = try await start()
        let certificates = try await TestCertificates.shared()
        write(try content(certificates.certificate("renewed")), to: certificate, mode: 0o644)
        try await reported("do not match", by: server)
        #expect(try await subject(url) == "server")
        write(Data("nonsense".utf8), to: certificate, mode: 0o644)
        try await reported("Base64", by: server)
        chmod(key, 0o644)
        try await reported("All users can read", by: server)
        #expect(try await subject(url) == "server")
        unlink(key)
        try await reported("cannot be read", by: server)
        #expect(try await subject(url) == "server")
        try await install("renewed")
        try await becomes("renewed") { try await subject(url) }
        let errors = try await stop(server).errors
        for fault in ["do not match", "All users can read"] {
            #expect(errors.components(separatedBy: fault).count == 2, "\(errors)")
        }
        #expect(errors.contains("The server goes on with what it read before.") && !errors.contains("PRIVATE KEY"))
    }

    @Test("Authorities and roles are replaced as the certificate is")
    func clients() async throws {
        try await install("server")
        write(Data("writer\n".utf8), to: roles)
        let (server, url) = try await start("--tls-client-ca", authorities, "--tls-client-roles", roles)
        #expect(try await status(url, as: "writer", "-X", "PUT", "-d", "x") == "204")
        write(Data("writer role=read\n".utf8), to: roles)
        try await becomes("403") { try await status(url, as: "writer", "-X", "PUT", "-d", "x") }
        write(Data("writer role=owner\n".utf8), to: roles)
        try await reported("In line 1, the role is unknown", by: server)
        #expect(try await status(url, as: "writer", "-X", "PUT", "-d", "x") == "403")
        #expect(try await status(url, as: "stranger") == "000")
        write(Data("writer role=read\n".utf8), to: roles)
        write(try content(try await TestCertificates.shared().certificate("otherCA")), to: authorities, mode: 0o644)
        try await becomes("200") { try await status(url, as: "stranger") }
        #expect(try await status(url, as: "writer") == "000")
        _ = try await stop(server)
    }

    @Test("Hundreds of replacements under load lose no request and no event")
    func storm() async throws {
        try await install("server")
        let (server, url) = try await start()
        let certificates = try await TestCertificates.shared()
        #expect(try await status(url, as: nil, "-X", "PUT", "-d", "begin") == "204")
        let stream = try ChildProcess(
            "curl", certificates.curl(as: nil) + ["-N", "-H", "Accept: text/event-stream", url])
        _ = try await stream.line(beginning: "data: begin")
        let load = try [[], ["-H", "Connection: close"]].map { more in
            let quiet = ["-o", "/dev/null", "-w", "%{http_code}\n", "\(url)?[1-500]"]
            return try ChildProcess("curl", certificates.curl(as: nil) + quiet + more)
        }
        for round in 0..<200 {
            try await install(round % 2 == 0 ? "renewed" : "server")
            server.send(SIGHUP)
        }
        for client in load {
            let result = try await client.finish(within: 120)
            let codes = result.text.split(separator: "\n")
            #expect(codes.count == 500 && codes.allSatisfy { $0 == "200" }, "\(result.errors)")
        }
        try await install("renewed")
        try await becomes("renewed") { try await subject(url) }
        #expect(try await status(url, as: nil, "-X", "PUT", "-d", "end") == "204")
        _ = try await stream.line(beginning: "data: end")
        _ = try await stop(server)
        #expect(try await stream.finish().status == 0)
    }
}
