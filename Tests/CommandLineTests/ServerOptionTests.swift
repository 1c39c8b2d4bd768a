import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// The options of `serve`, as the table in `ServerOption` defines them.
@Suite("Options of serve", .fewAtATime)
struct ServerOptionTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    static let numbers = ServerOption.all.filter { $0.range != nil }.map(\.name)
    static let others = ServerOption.all.filter { $0.range == nil }.map(\.name)

    private func option(_ name: String) throws -> ServerOption {
        try #require(ServerOption.all.first { $0.name == name })
    }

    /// Runs a server that cannot start: with the right options it gets as far as to an address where it cannot listen.
    private func start(_ arguments: [String], _ environment: [String: String] = [:]) async throws -> String {
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"),
            ["serve", "--listen", "unix:/no/such/directory/socket", "--directory", directory.path] + arguments,
            environment: environment)
        return result.status == 1 ? "" : "\(result.status) \(result.errors.split(separator: "\n").first ?? "")"
    }

    // MARK: The table

    @Test("The help of serve has each option with its default and its variable, and no other option")
    func help() async throws {
        let lines = try await output("serve", "--help").split(separator: "\n")
        let help = lines.flatMap { $0.split(separator: " ") }.joined(separator: " ")
        for option in ServerOption.all {
            let value = option.valueName.map { " <\($0)>" } ?? ""
            let defaultNote = option.defaultText.map { "default: \($0), " } ?? ""
            let entry = "--\(option.name)\(value) \(option.help) (\(defaultNote)env: \(option.variable))"
            #expect(help.contains(entry), "\(entry)")
        }
        let names = lines.compactMap { $0.prefixMatch(of: #/  (?:-\w, )?--([a-z-]+)/#)?.output.1 }
        #expect(
            Set(names.map(String.init))
                == Set(ServerOption.all.map(\.name) + ["print-config", "json", "version", "help"]))
    }

    @Test("A variable is SHAREDMEM_ and the option's name")
    func variables() {
        #expect(ServerOption.connectionsPerClient.variable == "SHAREDMEM_CONNECTIONS_PER_CLIENT")
    }

    @Test("The defaults are in range")
    func defaults() throws {
        for option in ServerOption.all {
            guard let range = option.range, let number = option.defaultText.flatMap({ Int($0) }) else { continue }
            #expect(range.contains(number), "\(option.name)")
        }
    }

    // MARK: Numbers

    @Test("A number is taken from the option or its variable, and refused out of range", arguments: numbers)
    func number(_ name: String) async throws {
        let option = try option(name)
        let range = try #require(option.range)
        let limits = "use \(range.lowerBound) to \(range.upperBound)."
        for good in [range.lowerBound, range.upperBound] where good <= 1_000_000 || name == "capacity" {
            // A thread needs a connection.
            let connections = ["SHAREDMEM_CONNECTIONS": "1000000"].filter { $0.key != option.variable }
            #expect(try await start(["--\(name)=\(good)"], connections) == "")
            #expect(try await start([], connections.merging([option.variable: "\(good)"]) { $1 }) == "")
        }
        let tooLarge = range.upperBound.addingReportingOverflow(1)
        for bad in [range.lowerBound - 1] + (tooLarge.overflow ? [] : [tooLarge.partialValue]) {
            #expect(try await start(["--\(name)=\(bad)"]) == "64 Error: --\(name) is \(bad): \(limits)")
            // The variable of the capacity is the library's, which reads it when it creates a segment.
            guard name != "capacity" else { continue }
            #expect(
                try await start([], [option.variable: "\(bad)"]) == "64 Error: \(option.variable) is \(bad): \(limits)")
            #expect(try await start(["--\(name)=\(range.lowerBound)"], [option.variable: "\(bad)"]) == "")
        }
        for bad in ["x", "1s", " 1", "0x10"] {
            #expect(
                try await start(["--\(name)", bad]).hasPrefix("64 Error: The value '\(bad)' is invalid for '--\(name) ")
            )
            guard name != "capacity" else { continue }
            #expect(
                try await start([], [option.variable: bad])
                    .hasPrefix("64 Error: The value '\(bad)' is invalid for '\(option.variable)="))
        }
        #expect(try await start([], [option.variable: ""]) == "", "An empty variable counts as not set.")
    }

    @Test("SHAREDMEM_CAPACITY is for segments that are created")
    func capacity() async throws {
        let variable = ServerOption.capacity.variable
        let (server, _) = try await serve("--listen", "unix:\(directory.path)/s", environment: [variable: "100"])
        #expect(try Segment.info("shared", directory: directory.path).capacity == 100)
        _ = try await stop(server)
        for bad in ["0", "x", "1073741825"] {
            for arguments in [
                ["serve", "new", "--listen", "unix:\(directory.path)/s"], ["set", "new", "--text", "x"],
            ] {
                let result = try await ChildProcess.run(
                    ChildProcess.product("sharedmem"), arguments + ["--directory", directory.path],
                    environment: [variable: bad])
                #expect(result.status == 64 && result.errors.contains("\(variable)=\(bad)"), "\(result.errors)")
            }
        }
    }

    @Test("More threads than connections, and too few bytes in flight, are refused by the name they came under")
    func relations() async throws {
        #expect(try await start(["--threads", "3", "--connections", "2"]).hasPrefix("64 Error: --threads is 3"))
        #expect(
            try await start(["--connections", "2"], ["SHAREDMEM_THREADS": "3"])
                .hasPrefix("64 Error: SHAREDMEM_THREADS is 3"))
        let result = try await sharedmem(
            "serve", "--listen", "unix:\(directory.path)/s", "--capacity", "100", "--bytes-in-flight", "199")
        #expect(result.status == 64 && result.errors.contains("--bytes-in-flight is 199"), "\(result.errors)")
    }

    // MARK: The others

    @Test(
        "An option that is not a number is taken from its variable too, and the command line takes precedence",
        arguments: others)
    func variable(_ name: String) async throws {
        let variable = try option(name).variable
        switch name {
        case "listen": try await listen(variable)
        case "tls-cert", "tls-key", "tls-client-ca", "tls-client-roles": try await tls(name, variable)
        case "token-file": try await tokenFile(variable)
        case "allow-anonymous": try await allowAnonymous(variable)
        case "read-only": try await readOnly(variable)
        case "trusted-proxy": try await trustedProxy(variable)
        case "cors-origin": try await corsOrigin(variable)
        case "log-level": try await logLevel(variable)
        case "log-format": try await logFormat(variable)
        case "access-log": try await accessLog(variable)
        case "dynamic": try await dynamic(variable)
        case "name-pattern": try await namePattern(variable)
        case "allow-user", "allow-group": try await allowPeer(name, variable)
        case "socket-mode": try await socketMode(variable)
        case "allow-host": try await allowHost(variable)
        case "directory": try await segmentDirectory(variable)
        case "trust-owner": try await trustOwner(variable)
        case "mode": try await mode(variable)
        case "group": try await group(variable)
        case "keep": try await keep(variable)
        case "keep-sync": try await keepSync(variable)
        case "follow", "follow-token-file", "follow-ca", "follow-cert", "follow-key", "etcd", "etcd-prefix",
            "etcd-user-file", "etcd-ca", "etcd-cert", "etcd-key":
            try await source(name, variable)
        default: Issue.record("--\(name) has no test: add one")
        }
    }

    /// The value in the environment is bad; one on the command line takes its place.
    private func source(_ name: String, _ variable: String) async throws {
        let certificates = try await TestCertificates.shared()
        let secret = directory.path + "/secret"
        let kind = name.hasPrefix("etcd") ? "etcd" : "follow"
        try "0123456789:abcdef\n".write(toFile: secret, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: secret)
        var good = [
            kind: "http://127.0.0.1:1", "\(kind)-ca": certificates.certificate("ca"),
            "\(kind)-cert": certificates.certificate("server"), "\(kind)-key": certificates.key("server"),
        ]
        good[kind == "etcd" ? "etcd-user-file" : "follow-token-file"] = secret
        if kind == "etcd" { good["etcd-prefix"] = "/texts" }
        let others = good.filter { $0.key != name && (name != kind || $0.key == kind) }
        let arguments = others.flatMap { ["--\($0.key)", $0.value] }
        #expect(try await start(arguments, [variable: good[name] ?? ""]) == "")
        #expect(try await start(arguments + ["--\(name)", good[name] ?? ""], [variable: "nowhere"]) == "")
        if name == "etcd-prefix" {
            #expect(
                try await start(arguments, [variable: "/x/"]).hasPrefix(
                    "64 Error: \(variable) '/x/' is no prefix of keys: "))
        } else if name == kind {
            #expect(
                try await start(arguments, [variable: "nowhere"]).hasPrefix(
                    "64 Error: \(variable) 'nowhere' is not the URL"))
        } else if !name.hasSuffix("-file") {
            let source = name == "\(kind)-key" ? "--\(kind)-cert" : variable
            #expect(try await start(arguments, [variable: "nowhere"]).hasPrefix("64 Error: \(source) does not work: "))
        }
    }

    private func listen(_ variable: String) async throws {
        let sockets = ["a", "b", "c"].map { "unix:\(directory.path)/\($0)" }
        let environment = [variable: "\(sockets[0]),\(sockets[1])"]
        let (server, first) = try await serve(environment: environment)
        #expect(first == sockets[0])
        _ = try await server.line(beginning: "listening on \(sockets[1])")
        for healthcheck in [[], [sockets[1]]] {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["healthcheck"] + healthcheck, environment: environment)
            #expect(result.status == 0, "\(result.errors)")
        }
        _ = try await stop(server)
        let (other, only) = try await serve("--listen", sockets[2], environment: environment)
        #expect(only == sockets[2])
        #expect(try await stop(other).text == "listening on \(sockets[2])\n")
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["serve"], environment: [variable: "\(sockets[0]),nowhere"])
        #expect(result.status == 64 && result.errors.contains("'nowhere' is invalid for '\(variable)="))
    }

    /// The value in the environment is good or bad; one on the command line takes its place.
    private func tls(_ name: String, _ variable: String) async throws {
        let certificates = try await TestCertificates.shared()
        let good = try certificates.serverFiles(rolesIn: directory)
        let file = try #require(good[name])
        let others = good.filter { $0.key != name }.flatMap { ["--\($0.key)", $0.value] }
        let arguments = ["--listen", "https://127.0.0.1:0"] + others
        for (more, value) in [([], file), (["--\(name)", file], "/no/such/file")] {
            let (server, url) = try await serve(arguments + more, environment: [variable: value])
            let put = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-d", "x", url]
            let result = try await ChildProcess.run("curl", certificates.curl(as: "reader") + put)
            #expect(result.text == "403", "\(result.errors)")
            _ = try await stop(server)
        }
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["serve", "--directory", directory.path] + arguments,
            environment: [variable: "/no/such/file"])
        #expect(result.status == 1 && result.errors.contains("/no/such/file cannot be read"), "\(result.errors)")
    }

    private func tokenFile(_ variable: String) async throws {
        let (file, other) = ("\(directory.path)/token", "\(directory.path)/other")
        for path in [file, other] {
            let content = Data("the-secret-of-\(path.split(separator: "/").last ?? "")\n".utf8)
            _ = FileManager.default.createFile(atPath: path, contents: content, attributes: [.posixPermissions: 0o600])
        }
        for (arguments, token) in [([], "the-secret-of-token"), (["--token-file", other], "the-secret-of-other")] {
            let (server, url) = try await serve(["--listen", "127.0.0.1:0"] + arguments, environment: [variable: file])
            #expect(try await status(url) == "401")
            #expect(try await status(url, "-H", "Authorization: Bearer \(token)") == "200")
            _ = try await stop(server)
        }
    }

    private func readOnly(_ variable: String) async throws {
        for (arguments, value, expected) in [([], "1", "405"), ([], "0", "204"), (["--read-only"], "0", "405")] {
            let (server, url) = try await serve(
                ["--listen", "127.0.0.1:0"] + arguments, environment: [variable: value])
            #expect(try await status(url, "-X", "PUT", "-d", "x") == expected)
            _ = try await stop(server)
        }
    }

    /// What a server logs of a change that comes through a proxy.
    private func log(_ arguments: [String], _ environment: [String: String]) async throws -> String {
        let (server, url) = try await serve(["--listen", "127.0.0.1:0"] + arguments, environment: environment)
        #expect(try await status(url, "-X", "PUT", "-d", "x", "-H", "X-Forwarded-For: 192.0.2.7") == "204")
        return try await stop(server).errors
    }

    private func trustedProxy(_ variable: String) async throws {
        for (arguments, value, isTrusted) in [
            ([], "10.0.0.0/8,127.0.0.1", true), ([], "10.0.0.0/8", false),
            (["--trusted-proxy", "::1"], "127.0.0.1", false),
        ] {
            #expect(try await log(arguments, [variable: value]).contains("192.0.2.7") == isTrusted)
        }
    }

    private func corsOrigin(_ variable: String) async throws {
        for (arguments, value, expected) in [
            ([], "https://b.example,https://a.example", true), (["--cors-origin", "https://b.example"], "*", false),
        ] {
            let (server, url) = try await serve(
                ["--listen", "127.0.0.1:0"] + arguments, environment: [variable: value])
            let result = try await ChildProcess.run("curl", ["-si", "-H", "Origin: https://a.example", url])
            #expect(result.text.contains("Access-Control-Allow-Origin: https://a.example") == expected)
            _ = try await stop(server)
        }
    }

    private func logLevel(_ variable: String) async throws {
        #expect(try await log([], [variable: "notice"]) == "")
        #expect(try await log(["--log-level", "debug"], [variable: "error"]).contains("text set"))
        let wrong = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["serve", "--directory", directory.path], environment: [variable: "loud"]
        )
        #expect(wrong.status == 64 && wrong.errors.contains("'loud' is invalid for '\(variable)="))
    }

    private func logFormat(_ variable: String) async throws {
        #expect(try await log([], [variable: "text"]).contains(" info: text set "))
        #expect(try await log(["--log-format", "json"], [variable: "text"]).hasPrefix("{"))
    }

    private func accessLog(_ variable: String) async throws {
        for (arguments, value, isLogged) in [([], "1", true), ([], "0", false), (["--access-log"], "0", true)] {
            #expect(try await log(arguments, [variable: value]).contains("\"method\":\"PUT\"") == isLogged)
        }
    }

    private func dynamic(_ variable: String) async throws {
        for (arguments, value, expected) in [([], "1", "201"), ([], "0", "404"), (["--dynamic"], "0", "201")] {
            let (server, url) = try await serve(
                ["--listen", "127.0.0.1:0"] + arguments, environment: [variable: value])
            #expect(try await status("\(url)/new", "-X", "PUT", "-d", "x") == expected)
            if expected == "201" { #expect(try await status("\(url)/new", "-X", "DELETE") == "204") }
            _ = try await stop(server)
        }
    }

    private func namePattern(_ variable: String) async throws {
        for (arguments, value) in [([], "*d"), (["--name-pattern", "*d"], "x*")] {
            let (server, url) = try await serve(
                ["--dynamic", "--listen", "127.0.0.1:0"] + arguments, environment: [variable: value])
            #expect(try await status("\(url)/ad", "-X", "PUT", "-d", "x") == "201")
            #expect(try await status("\(url)/xx", "-X", "PUT", "-d", "x") == "404")
            #expect(try await status("\(url)/ad", "-X", "DELETE") == "204")
            _ = try await stop(server)
        }
        for arguments in [[], ["--dynamic"]] {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["serve", "--directory", directory.path] + arguments,
                environment: [variable: "no-*"])
            #expect(result.status == 64 && result.errors.contains(variable), "\(result.errors)")
        }
    }

    private func allowPeer(_ name: String, _ variable: String) async throws {
        let own = String(name == "allow-user" ? geteuid() : getegid())
        let socket = "\(directory.path)/socket"
        for (arguments, value, expected) in [
            ([], own, "200"), ([], "54321", "403"), ([], "54321,\(own)", "200"), (["--\(name)", "54321"], own, "403"),
            (["--\(name)", "root"], "54321", own == "0" ? "200" : "403"),
        ] {
            let (server, _) = try await serve(
                ["--listen", "unix:\(socket)"] + arguments, environment: [variable: value])
            #expect(try await status("http://localhost/shared", "--unix-socket", socket) == expected)
            _ = try await stop(server)
        }
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["serve", "--listen", "unix:\(socket)"],
            environment: [variable: "no-such-account", "SHAREDMEM_DIRECTORY": directory.path])
        #expect(result.status != 0 && result.errors.contains("no-such-account"), "\(result.errors)")
    }

    private func socketMode(_ variable: String) async throws {
        let socket = "\(directory.path)/socket"
        for (arguments, value, mode) in [
            ([], "660", 0o660), (["--socket-mode", "666"], "660", 0o666), (["--mode", "640"], "", 0o640),
            (["--mode", "600"], "660", 0o660),
        ] {
            let (server, _) = try await serve(
                ["--listen", "unix:\(socket)"] + arguments, environment: [variable: value])
            let attributes = try FileManager.default.attributesOfItem(atPath: socket)
            #expect(attributes[.posixPermissions] as? Int == mode)
            _ = try await stop(server)
        }
    }

    private func allowAnonymous(_ variable: String) async throws {
        for (value, status) in [
            ("1", 0), ("yes", 0), ("TRUE", 0), ("0", 1), ("no", 1), ("false", 1), ("", 1), ("2", 64),
        ] {
            if status == 0 {
                let (server, _) = try await serve("--listen", "0.0.0.0:0", environment: [variable: value])
                _ = try await stop(server)
            } else {
                let result = try await ChildProcess.run(
                    ChildProcess.product("sharedmem"),
                    ["serve", "--listen", "0.0.0.0:0", "--directory", directory.path], environment: [variable: value])
                #expect(result.status == status, "\(value): \(result.errors)")
                if status == 64 { #expect(result.errors.contains(variable), "\(result.errors)") }
            }
        }
        let (server, _) = try await serve("--listen", "0.0.0.0:0", "--allow-anonymous", environment: [variable: "0"])
        _ = try await stop(server)
    }

    private func allowHost(_ variable: String) async throws {
        for (arguments, allowed, refused) in [
            ([], ["one.example", "x.two.example"], "three.example"),
            (["--allow-host", "three.example"], ["three.example"], "one.example"),
        ] {
            let (server, url) = try await serve(
                ["--listen", "127.0.0.1:0"] + arguments, environment: [variable: "one.example,.two.example"])
            for host in allowed { #expect(try await status(url, "-H", "Host: \(host)") == "200") }
            #expect(try await status(url, "-H", "Host: \(refused)") == "421")
            _ = try await stop(server)
        }
    }

    private func segmentDirectory(_ variable: String) async throws {
        let other = try TemporaryDirectory()
        for arguments in [[], ["--directory", other.path]] {
            let server = try ChildProcess(
                ChildProcess.product("sharedmem"), ["serve", "--listen", "127.0.0.1:0"] + arguments,
                environment: [variable: directory.path])
            _ = try await server.line(beginning: "listening on ")
            #expect(try (arguments.isEmpty ? directory : other).names == ["shared.sharedmem"])
            _ = try await stop(server)
        }
    }

    private func trustOwner(_ variable: String) async throws {
        if geteuid() == 0 {
            try await sharedmem("set", "--text", "x")
            #expect(chown(directory.path(of: "shared"), 12345, 12345) == 0)
            let refused = try await sharedmem("serve", "--listen", "127.0.0.1:0")
            #expect(refused.status == 1 && refused.errors.contains("--trust-owner 12345"), "\(refused.errors)")
            // The variable counts in addition to the option.
            for (arguments, value) in [([], "12345"), ([], "1,12345"), (["--trust-owner", "1"], "12345")] {
                let (server, url) = try await serve(
                    ["--listen", "127.0.0.1:0"] + arguments, environment: [variable: value])
                #expect(try await status(url) == "200")
                _ = try await stop(server)
            }
            let (server, _) = try await serve("--listen", "127.0.0.1:0", "--trust-owner", "12345")
            _ = try await stop(server)
        }
        #expect(
            try await start([], [variable: "root,no-such-user"]).hasPrefix(
                "64 Error: \(variable)=root,no-such-user in the environment names a user or a group"))
        #expect(try await start(["--trust-owner", "no-such-user"]).hasPrefix("64 Error: This host has no user"))
        #expect(try await start(["--trust-owner", "@no-such-group"]).hasPrefix("64 Error: This host has no group"))
    }

    private func group(_ variable: String) async throws {
        let groups = geteuid() == 0 ? ["12345", "23456"] : ["\(getegid())", "\(getegid())"]
        for (name, arguments, group) in [("a", [], groups[0]), ("b", ["--group", groups[1]], groups[1])] {
            let (server, _) = try await serve(
                [name, "--listen", "127.0.0.1:0"] + arguments, environment: [variable: groups[0]])
            #expect(try Segment.info(name, directory: directory.path).group == UInt32(group))
            _ = try await stop(server)
        }
        #expect(try await start([], [variable: "no-such-group"]).hasPrefix("64 Error: This host has no group"))
    }

    private func keep(_ variable: String) async throws {
        for (name, arguments) in [("a", []), ("b", ["--keep", "\(directory.path)/b"])] {
            let (server, url) = try await serve(
                ["--listen", "127.0.0.1:0", "--keep-sync"] + arguments,
                environment: [variable: "\(directory.path)/a"])
            #expect(try await status(url, "-X", "PUT", "-d", name) == "204")
            let history = try await output("history", "--json", "--keep", "\(directory.path)/\(name)")
            #expect(history.contains("\(try Segment.info("shared", directory: directory.path).version)"))
            _ = try await stop(server)
        }
    }

    private func keepSync(_ variable: String) async throws {
        let keep = ["--listen", "127.0.0.1:0", "--keep", "\(directory.path)/keep", "--keep-interval", "1000000"]
        for (arguments, value, isKept) in [([], "0", false), ([], "1", true), (["--keep-sync"], "0", true)] {
            let (server, url) = try await serve(keep + arguments, environment: [variable: value])
            #expect(try await status(url, "-X", "PUT", "-d", "one") == "204")
            // The first change is written at once in any case, and the next one after the interval.
            let first = "shared@\(try Segment.info("shared", directory: directory.path).version).kept"
            try await eventually("the first version on disk") {
                FileManager.default.fileExists(atPath: "\(directory.path)/keep/\(first)") ? () : nil
            }
            #expect(try await status(url, "-X", "PUT", "-d", "two") == "204")
            let version = "\(try Segment.info("shared", directory: directory.path).version)"
            #expect(try await output("history", "--keep", "\(directory.path)/keep").contains(version) == isKept)
            _ = try await stop(server)
        }
        #expect(
            try await start([], [variable: "1"])
                == "64 Error: \(variable) needs a directory in which to keep the text: name one (--keep DIRECTORY).")
    }

    private func mode(_ variable: String) async throws {
        for (name, arguments, mode) in [("a", [], 0o640), ("b", ["--mode", "644"], 0o644)]
            as [(String, [String], UInt32)]
        {
            let (server, _) = try await serve(
                [name, "--listen", "127.0.0.1:0"] + arguments, environment: [variable: "640"])
            #expect(try Segment.info(name, directory: directory.path).mode == mode)
            _ = try await stop(server)
        }
        for bad in ["777", "x", "400"] {
            #expect(
                try await start([], [variable: bad]).hasPrefix(
                    "64 Error: The value '\(bad)' is invalid for '\(variable)="))
        }
    }
}
