import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("serve --print-config", .fewAtATime)
struct PrintConfigTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    struct Setting: Decodable, Equatable {
        let option: String
        let variable: String
        let value: String?
        let source: String
    }

    private func run(_ arguments: [String], _ environment: [String: String]) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["serve"] + arguments,
            environment: ["SHAREDMEM_DIRECTORY": directory.path].merging(environment) { $1 })
    }

    private func settings(_ arguments: [String] = [], _ environment: [String: String] = [:]) async throws -> [Setting] {
        let result = try await run(["--print-config", "--json"] + arguments, environment)
        #expect(result.status == 0 && result.errors == "", "\(arguments) \(environment): \(result.errors)")
        return try JSONDecoder().decode([Setting].self, from: result.output)
    }

    var socket: String { "unix:\(directory.path)/socket" }

    @Test("It has every option of serve, in the order of the table, and the names")
    func complete() async throws {
        let settings = try await settings()
        #expect(settings.map(\.option) == ["name"] + ServerOption.all.map(\.name))
        #expect(settings.dropFirst().map(\.variable) == ServerOption.all.map(\.variable))
        #expect(settings.allSatisfy { $0.source == ($0.option == "directory" ? "environment" : "default") })
    }

    /// The variables of a server with TLS.
    private static func tlsFiles(in directory: TemporaryDirectory) async throws -> [String: String] {
        let files = try await TestCertificates.shared().serverFiles(rolesIn: directory)
        return try Dictionary(
            uniqueKeysWithValues: files.map { name, file in
                let copy = "\(directory.path)/\(name)"
                if !FileManager.default.fileExists(atPath: copy) {
                    try FileManager.default.copyItem(atPath: file, toPath: copy)
                }
                return ("SHAREDMEM_" + name.uppercased().replacingOccurrences(of: "-", with: "_"), copy)
            })
    }

    /// The files with which a server connects to its source through TLS.
    private static var clientFiles: [String: String] {
        get async throws {
            let certificates = try await TestCertificates.shared()
            return [
                "ca": certificates.certificate("ca"), "cert": certificates.certificate("server"),
                "key": certificates.key("server"),
            ]
        }
    }

    /// Two values for an option, as they are written and as they are shown.
    private func samples(_ option: ServerOption) async throws -> [(written: String, shown: String)]? {
        if option.name.hasPrefix("tls-") {
            let given = try await Self.tlsFiles(in: directory)[option.variable] ?? ""
            let copy = given + ".copy"
            try? FileManager.default.copyItem(atPath: given, toPath: copy)
            return [(given, given), (copy, copy)]
        }
        let words = option.name.split(separator: "-")
        if ["follow", "etcd"].contains(words[0]), let file = try await Self.clientFiles[String(words.last ?? "")] {
            let copy = "\(directory.path)/copy"
            try? FileManager.default.copyItem(atPath: file, toPath: copy)
            return [(file, file), (copy, copy)]
        }
        if option.name == "keep" { return ["a", "b"].map { ("\(directory.path)/\($0)", "\(directory.path)/\($0)") } }
        if option.name == "capacity" { return [("1K", "1024"), ("2000", "2000")] }
        if option.name == "bytes-in-flight" { return [("64M", "67108864"), ("3000000", "3000000")] }
        if let range = option.range { return [range.lowerBound, range.lowerBound + 1].map { ("\($0)", "\($0)") } }
        func same(_ values: String...) -> [(String, String)] { values.map { ($0, $0) } }
        switch option.valueName {
        case nil: return [("1", "yes"), ("FALSE", "no")]
        case "url" where option.name == "etcd": return same("http://127.0.0.1:1", "https://etcd.example")
        case "prefix": return same("/one", "/two/three")
        case "url": return same("http://127.0.0.1:1", "unix:\(directory.path)/other")
        case "address": return same("127.0.0.1:0", socket)
        case "file":
            let files = ["a", "b"].map { "\(directory.path)/\($0)" }
            for file in files {
                _ = FileManager.default.createFile(
                    atPath: file,
                    contents: Data("the-secret-of-the-test\(option.name == "etcd-user-file" ? ":x" : "")\n".utf8),
                    attributes: [.posixPermissions: 0o600])
            }
            return files.map { ($0, $0) }
        case "user", "owner": return same("12345", "0")
        case "group": return same("\(getegid())", "\(getegid())")
        case "mode": return same("640", "660")
        case "name": return same("one.example", ".two.example")
        case "pattern": return same("s*", "shared")
        case "proxy": return same("unix", "10.0.0.0/8")
        case "origin": return same("https://one.example", "*")
        case "level": return same("debug", "error")
        case "format": return same("text", "json")
        case "directory": return same("\(directory.path)", "/dev/shm")
        default: return nil
        }
    }

    @Test(
        "An option's value comes from the command line, else from its variable", arguments: ServerOption.all.map(\.name)
    )
    func source(_ name: String) async throws {
        let option = try #require(ServerOption.all.first { $0.name == name })
        let values = try #require(try await samples(option), "--\(name) has no sample: add one")
        // A socket has users, groups and a mode. More threads than connections are refused, and a tiny limit of bytes.
        var base = [
            "SHAREDMEM_LISTEN": socket, "SHAREDMEM_CONNECTIONS": "9", "SHAREDMEM_KEEP": "\(directory.path)/keep",
        ]
        // A directory has a pattern, but is not kept on disk.
        if name == "name-pattern" { base["SHAREDMEM_DYNAMIC"] = "1" }
        if ["name-pattern", "dynamic"].contains(name) { base["SHAREDMEM_KEEP"] = nil }
        if name.hasPrefix("tls-") {
            base["SHAREDMEM_LISTEN"] = "https://127.0.0.1:0"
            base.merge(try await Self.tlsFiles(in: directory)) { $1 }
        }
        for source in ["follow", "etcd"] where name.hasPrefix("\(source)-") {
            let prefix = "SHAREDMEM_\(source.uppercased())"
            base[prefix] = "https://localhost:1"
            base["\(prefix)_CERT"] = try await Self.clientFiles["cert"]
            base["\(prefix)_KEY"] = try await Self.clientFiles["key"]
        }
        base[option.variable] = nil
        let environment = base
        func setting(_ arguments: [String], _ variable: String?) async throws -> Setting? {
            let environment = environment.merging(variable.map { [option.variable: $0] } ?? [:]) { $1 }
            return try await settings(arguments, environment).first { $0.option == name }
        }
        for (written, shown) in values {
            let expected = Setting(option: name, variable: option.variable, value: shown, source: "environment")
            #expect(try await setting([], written) == expected)
        }
        guard option.valueName != nil else {
            #expect(try await setting(["--\(name)"], "0")?.value == "yes")
            #expect(try await setting(["--\(name)"], "0")?.source == "commandLine")
            return
        }
        for arguments in [["--\(name)", values[0].written], ["--\(name)=\(values[0].written)"]] {
            #expect(try await setting(arguments, nil)?.source == "commandLine")
            let both = try await setting(arguments, values[1].written)
            let isAdded = name == "trust-owner"
            #expect(both?.value == (isAdded ? "\(values[0].shown),\(values[1].shown)" : values[0].shown))
            #expect(both?.source == (isAdded ? "commandLineAndEnvironment" : "commandLine"))
        }
        // Each of these needs the others.
        if ["tls-cert", "tls-key", "tls-client-ca", "follow-cert", "follow-key", "etcd-cert", "etcd-key"].contains(name)
        {
            return
        }
        #expect(try await setting([], "")?.source != "environment", "An empty variable counts as not set.")
    }

    @Test("The values, put into their variables, make the same configuration")
    func roundTrip() async throws {
        let arguments = [
            "--listen", socket, "--listen=127.0.0.1:0", "--allow-user", "1", "--allow-user", "2", "--read-only",
            "--grace",
            "3", "--connections", "31", "--capacity", "5M", "--mode", "660", "--allow-host", "a.example",
        ]
        let first = try await settings(arguments)
        func value(_ name: String) -> String? { first.first { $0.option == name }?.value }
        #expect(value("listen") == "\(socket),127.0.0.1:0" && value("allow-user") == "1,2")
        #expect(value("watchers") == "16" && value("socket-mode") == "660" && value("bytes-in-flight") == "268435456")
        let variables = first.compactMap { setting in setting.value.map { (setting.variable, $0) } }
        let second = try await settings([], Dictionary(variables) { first, _ in first })
        #expect(second.map(\.value) == first.map(\.value))
        #expect(second.allSatisfy { $0.source == ($0.value == nil ? "default" : "environment") })
    }

    @Test("Names come from the command line, the variable, or the default")
    func names() async throws {
        func name(_ arguments: [String], _ environment: [String: String] = [:]) async throws -> Setting? {
            try await settings(arguments, environment).first
        }
        let variable = "SHAREDMEM_NAME"
        func expected(_ value: String, _ source: String) -> Setting {
            Setting(option: "name", variable: variable, value: value, source: source)
        }
        #expect(try await name([]) == expected("shared", "default"))
        #expect(try await name([], [variable: "other"]) == expected("other", "environment"))
        #expect(try await name(["a", "b"], [variable: "other"]) == expected("a,b", "commandLine"))
        #expect(try await name(["shared"]) == expected("shared", "commandLine"))
        #expect(try await name(["--grace", "5", "--", "c"]) == expected("c", "commandLine"))
    }

    @Test("Listening sockets of a service manager take the place of the default address")
    func sockets() async throws {
        let script = """
            import os, socket, sys
            listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
            print(listener.getsockname()[1], flush=True)
            os.dup2(listener.fileno(), 3); os.set_inheritable(3, True)
            os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
            os.execv(sys.argv[1], sys.argv[1:])
            """
        for (arguments, source) in [([], "serviceManager"), (["--listen", socket], "commandLine")] {
            let result = try await ChildProcess.run(
                "python3",
                ["-c", script, ChildProcess.product("sharedmem"), "serve", "--print-config", "--json"] + arguments)
            let (port, json) = try #require(
                result.text.firstIndex(of: "\n").map {
                    (String(result.text[..<$0]), Data(result.text[$0...].utf8))
                })
            let listen = try JSONDecoder().decode([Setting].self, from: json).first { $0.option == "listen" }
            #expect(listen?.source == source, "\(result.errors)")
            #expect(listen?.value == (arguments.isEmpty ? "127.0.0.1:\(port)" : socket))
        }
    }

    @Test("The table for people has the same, and no tokens")
    func table() async throws {
        let file = "\(directory.path)/tokens"
        _ = FileManager.default.createFile(
            atPath: file, contents: Data("the-secret-of-the-test\n".utf8), attributes: [.posixPermissions: 0o600])
        let result = try await run(["--print-config", "--token-file", file], ["SHAREDMEM_GRACE": "7"])
        #expect(result.status == 0, "\(result.errors)")
        let rows = result.text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 2).map(String.init) }
        func row(_ name: String) -> [String] {
            rows.first { $0[0] == name }?.map { $0.trimmingCharacters(in: .whitespaces) } ?? []
        }
        #expect(rows.count == ServerOption.all.count + 2)
        #expect(row("OPTION") == ["OPTION", "VALUE", "FROM"])
        #expect(row("token-file") == ["token-file", file, "command line"])
        #expect(row("grace") == ["grace", "7", "environment SHAREDMEM_GRACE"])
        #expect(row("group") == ["group", "-", "default"])
        #expect(!result.text.contains("secret"))
    }

    @Test("It attaches to nothing and listens nowhere, beside a running server too")
    func looksOnly() async throws {
        _ = try await settings(["--listen", socket])
        #expect(try directory.names == [])
        let (server, _) = try await serve("--listen", socket)
        let version = try Segment.info("shared", directory: directory.path).version
        _ = try await settings(["--listen", socket])
        #expect(try Segment.info("shared", directory: directory.path).version == version)
        #expect(try directory.names == ["shared.sharedmem", "socket"])
        #expect(try await status("http://localhost/shared", "--unix-socket", "\(directory.path)/socket") == "200")
        _ = try await stop(server)
    }

    @Test(
        "What a start refuses, it refuses with the same error",
        arguments: [
            (["--threads", "3", "--connections", "2"], [:], 64), ([], ["SHAREDMEM_THREADS": "3000"], 64),
            (["--capacity", "100", "--bytes-in-flight", "199"], [:], 64), ([], ["SHAREDMEM_CAPACITY": "1Q"], 64),
            (["--grace", "x"], [:], 64), ([], ["SHAREDMEM_READ_ONLY": "perhaps"], 64), (["a", "a"], [:], 64),
            (["--listen", "0.0.0.0:0"], [:], 1), (["--token-file", "/none"], [:], 1), (["--allow-user", "1"], [:], 64),
            (["junk"], [:], 1), (["there", "--capacity", "5"], [:], 1), ([".hidden"], [:], 64),
            (["--directory", ChildProcess.productDirectory], [:], 1), (["--trust-owner", "no-such-user"], [:], 64),
            ([], ["SHAREDMEM_TRUST_OWNER": "no-such-user"], 64),
        ] as [([String], [String: String], Int32)])
    func refuses(_ arguments: [String], _ environment: [String: String], _ status: Int32) async throws {
        try await sharedmem("set", "there", "--text", "x")
        try Data("junk".utf8).write(to: URL(fileURLWithPath: directory.path(of: "junk")))
        let listen = arguments.contains("--listen") ? [] : ["--listen", "127.0.0.1:0"]
        let start = try await run(arguments + listen, environment)
        let printed = try await run(["--print-config"] + arguments + listen, environment)
        #expect(start.status == status && start.errors != "", "\(start.errors)")
        #expect(printed.status == status && printed.errors == start.errors && printed.text == "", "\(printed.errors)")
    }

    @Test("--json is for --print-config")
    func jsonAlone() async throws {
        #expect(try await run(["--json"], [:]).status == 64)
    }
}
