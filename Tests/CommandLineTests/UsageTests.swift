import Foundation
import TestSupport
import TestTraits
import Testing

/// The errors for wrong usage: what is wrong, what to type, and where to read on.
@Suite("Mistakes", .fewAtATime)
struct UsageTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    struct Mistake: CustomTestStringConvertible, Sendable {
        let arguments: [String]
        var environment: [String: String] = [:]
        let message: String

        init(_ arguments: String..., environment: [String: String] = [:], message: String) {
            (self.arguments, self.environment, self.message) = (arguments, environment, message)
        }

        var testDescription: String { arguments.joined(separator: " ") }
    }

    /// Fails with status 64, the message, and the usage of the subcommand.
    private func expect(_ mistake: Mistake) async throws {
        let result = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), mistake.arguments,
            environment: ["SHAREDMEM_DIRECTORY": directory.path].merging(mistake.environment) { $1 })
        #expect(result.status == 64 && result.text.isEmpty, "\(result)")
        let lines = result.errors.split(separator: "\n")
        #expect(lines.first?.hasPrefix("Error: \(mistake.message)") == true, "\(result.errors)")
        let subcommand = mistake.message.hasPrefix("There is no subcommand") ? "" : " \(mistake.arguments[0])"
        #expect(lines.contains { $0.hasPrefix("Usage: sharedmem\(subcommand) ") }, "\(result.errors)")
        #expect(lines.last == "  See 'sharedmem\(subcommand) --help' for more information.", "\(result.errors)")
        #expect(try directory.names == [])
    }

    static let words = [
        Mistake("gte", "x", message: "There is no subcommand 'gte'. Did you mean 'get'?"),
        Mistake("unlnik", message: "There is no subcommand 'unlnik'. Did you mean 'unlink'?"),
        Mistake("fly", message: "There is no subcommand 'fly'. 'sharedmem --help' lists them all."),
        Mistake(
            "set", "flags", "hello", "it's", "--mode", "644",
            message:
                "The text is not an argument: give it with --text, or on standard input. Type: sharedmem set flags "
                + "--mode 644 --text 'hello it'\\''s'"),
        Mistake("set", "--if-version", "3", message: "The value '3' is invalid for '--if-version <instance-number>'"),
        Mistake("history", message: "Name the directory in which the server keeps the text, with --keep."),
        Mistake("doctor", "0", message: "There is no process 0 here."),
    ]

    @Test("What is typed wrongly is named, with what to type instead", arguments: words)
    func word(_ mistake: Mistake) async throws { try await expect(mistake) }

    @Test("The error for a version that is none shows what one looks like", arguments: ["--if-version", "--after"])
    func version(_ option: String) async throws {
        let subcommand = option == "--after" ? "watch" : "set"
        #expect(try await sharedmem(subcommand, option, "3").errors.contains("such as bf51aad6d45c6afb-1"))
    }

    @Test("The command that is printed for text among the arguments sets it")
    func printedCommand() async throws {
        let result = try await sharedmem("set", "flags", "a 'quoted'", "$text", "--capacity", "100")
        let command = try #require(result.errors.split(separator: "\n").first?.components(separatedBy: "Type: ").last)
        let path = "PATH=\(ChildProcess.productDirectory):$PATH; "
        let shell = try await ChildProcess.run(
            "/bin/sh", ["-c", path + command], environment: ["SHAREDMEM_DIRECTORY": directory.path])
        #expect(shell.status == 0, "\(command): \(shell.errors)")
        #expect(try await output("get", "flags") == "a 'quoted' $text")
    }

    // MARK: serve

    static let options = [
        Mistake(
            "serve", "--tls-cert", "/c",
            message: "--tls-cert needs the certificate's key: give --tls-key FILE, too."),
        Mistake(
            "serve", "--tls-key", "/k", message: "--tls-key needs the key's certificate: give --tls-cert FILE, too."),
        Mistake(
            "serve", environment: ["SHAREDMEM_TLS_CERT": "/c"],
            message: "SHAREDMEM_TLS_CERT needs the certificate's key: give --tls-key FILE, too."),
        Mistake(
            "serve", "--tls-client-ca", "/a",
            message: "--tls-client-ca needs a certificate and its key: give --tls-cert FILE and --tls-key FILE, too."),
        Mistake(
            "serve", "--tls-cert", "/c", "--tls-key", "/k", "--tls-client-roles", "/r",
            message: "--tls-client-roles needs the authorities of the clients: give --tls-client-ca FILE, too."),
        Mistake(
            "serve", "--listen", "https://127.0.0.1:0",
            message:
                "--listen https://127.0.0.1:0 needs a certificate and its key: give both (--tls-cert FILE, --tls-key "
                + "FILE)."),
        Mistake("serve", "--keep", "", message: "--keep is empty: name a directory, or leave it out."),
        Mistake(
            "serve", "--keep-sync",
            message: "--keep-sync needs a directory in which to keep the text: name one (--keep DIRECTORY)."),
        Mistake("serve", "--name-pattern", "x*", message: "--name-pattern is for a server that serves a directory"),
        Mistake("serve", "--allow-user", "root", message: "--allow-user is for Unix sockets"),
        Mistake("serve", "--socket-mode", "600", message: "--socket-mode is for Unix sockets that the server creates"),
        Mistake("serve", "--cors-origin", "example.org", message: "--cors-origin 'example.org' is not an origin"),
        Mistake("serve", "--trusted-proxy", "nginx", message: "--trusted-proxy 'nginx' is not the address of a proxy"),
        Mistake("serve", "--json", message: "--json is for --print-config: give both, or neither."),
    ]

    @Test("Options that do not go together are named, with what to give", arguments: options)
    func option(_ mistake: Mistake) async throws { try await expect(mistake) }

    @Test(
        "A host name that no request can have is refused",
        arguments: ["", ".", "..a", "http://a.example", "a.example:8080", "a.example/", "a b", "*.example", "[::1"])
    func hostName(_ name: String) async throws {
        try await expect(Mistake("serve", "--allow-host", name, message: "--allow-host '\(name)' is not a host name: "))
    }

    @Test("Files of TLS that cannot be used are reported with the options that name them")
    func filesOfTLS() async throws {
        let certificates = try await TestCertificates.shared()
        let (certificate, key) = (certificates.certificate("server"), certificates.key("renewed"))
        func errors(_ certificate: String, _ key: String) async throws -> String {
            let result = try await sharedmem(
                "serve", "--listen", "https://127.0.0.1:0", "--tls-cert", certificate, "--tls-key=\(key)")
            #expect(result.status == 1)
            return result.errors
        }
        #expect(try await errors("/none", key).contains("--tls-cert must name a file that this user can read."))
        #expect(try await errors(certificate, "/none").contains("--tls-key must name a file that this user can read."))
        #expect(
            try await errors(certificate, key).hasSuffix(
                "do not match. Check the files that --tls-cert and --tls-key name.\n"))
    }

    @Test("A wrong name is wrong usage for serve, as for any other subcommand")
    func servedName() async throws {
        for arguments in [["get", "a/b"], ["serve", "a/b"], ["serve", "a/b", "--print-config"]] {
            let result = try await ChildProcess.run(ChildProcess.product("sharedmem"), arguments)
            #expect(result.status == 64, "\(arguments): \(result.errors)")
            #expect(result.errors.hasPrefix("sharedmem: \"a/b\" is not a segment name: "), "\(result.errors)")
        }
    }

    @Test("A variable that no setting has is reported, with the one that may be meant, and the server starts")
    func unknownVariables() async throws {
        let (server, _) = try await serve(
            "--listen", "127.0.0.1:0",
            environment: [
                "SHAREDMEM_LISTN": "x", "SHAREDMEM_COLOUR": "x", "SHAREDMEM_GRACE": "1",
                // As Kubernetes sets them for a service of this name.
                "SHAREDMEM_SERVICE_HOST": "10.0.0.1", "SHAREDMEM_PORT": "tcp://10.0.0.1:8080",
                "SHAREDMEM_PORT_8080_TCP_ADDR": "10.0.0.1",
            ])
        let warnings = try await stop(server).errors.split(separator: "\n").filter { $0.contains("\"warning\"") }
        #expect(warnings.count == 2, "\(warnings)")
        #expect(warnings.first?.contains("SHAREDMEM_COLOUR in the environment is ignored") == true, "\(warnings)")
        #expect(warnings.last?.contains("SHAREDMEM_LISTN in the environment") == true, "\(warnings)")
        #expect(warnings.last?.contains("Did you mean 'SHAREDMEM_LISTEN'?") == true, "\(warnings)")
    }

    @Test("An address that is in use is reported with what to do")
    func addressInUse() async throws {
        let socket = "\(directory.path)/socket"
        let (first, url) = try await serve("--listen", "127.0.0.1:0", "--listen", "unix:\(socket)")
        let port = try #require(URLComponents(string: url)?.port)
        let tcp = try await sharedmem("serve", "--listen", "127.0.0.1:\(port)")
        #expect(
            tcp.status == 1
                && tcp.errors == """
                    sharedmem: The server cannot listen on 127.0.0.1:\(port): Address already in use. Another process listens \
                    there, perhaps another server: stop it, or use another port. 'ss -ltnp sport = :\(port)' shows the process. \
                    --listen names the address.

                    """,
            "\(tcp.errors)")
        let unix = try await sharedmem("serve", "--listen", "unix:\(socket)")
        #expect(
            unix.status == 1 && unix.errors.contains("'ss -lxp src \(socket)' shows the process."), "\(unix.errors)")
        _ = try await stop(first)
    }
}
