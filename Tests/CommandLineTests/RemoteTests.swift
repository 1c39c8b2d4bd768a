import Foundation
import SharedMemory
import Synchronization
import TestSupport
import TestTraits
import Testing

/// Commands on a host that has no segment, with --url.
@Suite("--url", .fewAtATime)
struct RemoteTests: CommandTests {
    let directory: TemporaryDirectory
    /// The segment directory of the host where the commands run, which stays empty.
    private let elsewhere: TemporaryDirectory

    init() throws { (directory, elsewhere) = (try TemporaryDirectory(), try TemporaryDirectory()) }

    private var environment: [String: String] {
        ["SHAREDMEM_DIRECTORY": elsewhere.path, "TMPDIR": directory.path, "VISUAL": ""]
    }

    private func run(
        _ arguments: [String], input: String = "", _ variables: [String: String] = [:]
    ) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            ChildProcess.product("sharedmem"), arguments, input: Data(input.utf8),
            environment: environment.merging(variables) { $1 })
    }

    /// Those that a test has started; they end with it.
    private let servers = Servers()

    private final class Servers: Sendable {
        let processes = Mutex<[ChildProcess]>([])
    }

    /// Starts a server.
    ///
    /// - Returns: its URL.
    private func server(_ arguments: String..., listen: String = "127.0.0.1:0") async throws -> String {
        let (process, url) = try await serve(["text", "--listen", listen] + arguments)
        servers.processes.withLock { $0.append(process) }
        return url.replacing("/shared", with: "")
    }

    private func segment(_ name: String = "text") throws -> Segment {
        try Segment.attach(name, AttachmentOptions(directory: directory.path))
    }

    @Test("set and get carry the text byte for byte, and report its version", arguments: [false, true])
    func setAndGet(throughVariable: Bool) async throws {
        let url = try await server()
        let variables = throughVariable ? ["SHAREDMEM_URL": url] : [:]
        let option = throughVariable ? [] : ["--url", url]
        for text in ["first", "a\r\n\rb\n", "ünï 🙂", String(repeating: "x", count: 500_000)] {
            let set = try await run(["set", "text", "-v"] + option, input: text, variables)
            #expect(set.status == 0, "\(set.errors)")
            let get = try await run(["get", "text", "-v"] + option, input: "", variables)
            #expect(get.text == text && get.errors == set.errors)
            #expect(try segment().get() == text && "\(segment().version)\n" == set.errors)
        }
        #expect(try elsewhere.names == [])
    }

    @Test("A condition that does not hold is reported with the current version, as for a segment")
    func conditions() async throws {
        let url = try await server()
        let old = try segment().set("old")
        let new = try segment().set("new")
        let refused = try await run(["set", "text", "--text", "x", "--if-version", "\(old)", "--url", url])
        let local = try await sharedmem("set", "text", "--text", "x", "--if-version", "\(old)")
        #expect(refused.status == 1 && refused.errors == local.errors && refused.errors.contains("\(new)"))
        #expect(try await run(["set", "text", "--text", "x", "--if-version", "\(new)", "--url", url]).status == 0)
    }

    @Test("--json has the fields that it has for a segment")
    func json() async throws {
        let url = try await server()
        try segment().set("text")
        for command in [["get", "text", "--json"], ["watch", "text", "--once", "--json"]] {
            let remote = try JSONSerialization.jsonObject(with: try await run(command + ["--url", url]).output)
            let local = try JSONSerialization.jsonObject(
                with: try await ChildProcess.run(
                    ChildProcess.product("sharedmem"), command, environment: ["SHAREDMEM_DIRECTORY": directory.path]
                ).output)
            let (first, second) = (remote as? [String: Any], local as? [String: Any])
            #expect(first?.keys.sorted() == second?.keys.sorted())
            #expect(
                first?["version"] as? String == second?["version"] as? String && first?["text"] as? String == "text")
        }
    }

    @Test("watch prints each version, resumes after the server was gone, and ends with the segment")
    func watch() async throws {
        let socket = "unix:\(directory.path)/socket"
        func start() async throws -> ChildProcess {
            try await serve(["text", "--listen", socket, "--dynamic"]).process
        }
        var server = try await start()
        try segment().set("one\rmore")
        let watch = try ChildProcess(
            ChildProcess.product("sharedmem"), ["watch", "text", "--url", socket], environment: environment)
        _ = try await watch.line(beginning: "one\rmore")
        try segment().set("two")
        _ = try await watch.line(beginning: "two")
        _ = try await stop(server)
        try segment().set("three")
        server = try await start()
        _ = try await watch.line(beginning: "three")
        #expect(watch.outputSoFar == "one\rmore\ntwo\nthree\n")
        try Segment.unlink("text", directory: directory.path)
        let end = try await watch.finish()
        #expect(end.status == 1 && end.errors.contains("has removed the segment"), "\(end.errors)")
    }

    @Test("watch --after skips what is known, --wait waits for a segment, and --exec runs a command")
    func watchOptions() async throws {
        let url = try await server("--dynamic")
        let known = try segment().set("known")
        async let after = run(["watch", "text", "--url", url, "--after", "\(known)", "--once"])
        let waiting = try ChildProcess(
            ChildProcess.product("sharedmem"), ["watch", "later", "--url", url, "--wait", "--once", "--exec", "cat"],
            environment: environment)
        #expect(try await run(["watch", "later", "--url", url, "--once"]).status == 1)
        let next = try segment().set("next")
        let finished = try await after
        #expect(finished.text == "next\n" && finished.status == 0, "\(next) \(finished.errors)")
        let later = try segment("later")
        try later.set("came")
        #expect(try await waiting.finish().text == "came")
        withExtendedLifetime(later) {}
    }

    @Test("edit saves on condition, and keeps the person's text after a conflict")
    func edit() async throws {
        let url = try await server("--dynamic")
        try segment().set("a = 1\n")
        let edited = try await run(["edit", "text", "--url", url, "-v"], input: "", ["EDITOR": "sed -i s/1/2/"])
        let version = try segment().version
        #expect(edited.status == 0 && edited.errors == "\(version)\n", "\(edited.errors)")
        #expect(try segment().get() == "a = 2\n")
        let program = ChildProcess.product("sharedmem")
        let editor = "sh -c 'echo mine >$0; \(program) set text --directory \(directory.path) --text theirs' "
        let conflict = try await run(["edit", "text", "--url", url], input: "", ["EDITOR": editor])
        #expect(conflict.status == 1 && conflict.errors.contains("Another process set the text"), "\(conflict.errors)")
        #expect(try segment().get() == "theirs" && conflict.errors.contains("Your text is in"))
        let created = try await run(["edit", "new", "--url", url], input: "", ["EDITOR": "sh -c 'echo created >$0'"])
        #expect(created.status == 0, "\(created.errors)")
        #expect(try segment("new").get() == "created\n")
    }

    @Test("A token and TLS are used, and what the server refuses is said in its words")
    func access() async throws {
        let certificates = try await TestCertificates.shared()
        let token = "\(directory.path)/token"
        try "0123456789abcdef\n".write(toFile: token, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: token)
        let address = try await server(
            "--tls-cert", certificates.certificate("server"), "--tls-key", certificates.key("server"), "--token-file",
            token, listen: "https://127.0.0.1:0")
        let url = address.replacing("127.0.0.1", with: "localhost")
        let trusting = ["--url", url, "--url-ca", certificates.certificate("ca")]
        #expect(try await run(["set", "text", "--text", "x", "--url-token-file", token] + trusting).status == 0)
        #expect(try await run(["get", "text", "--url-token-file", token] + trusting).text == "x")
        let anonymous = try await run(["get", "text"] + trusting)
        #expect(anonymous.status == 1 && anonymous.errors.contains("requires a token"), "\(anonymous.errors)")
        let untrusting = try await run(["get", "text", "--url", url, "--url-token-file", token])
        #expect(untrusting.status == 1 && untrusting.errors.contains("cannot be reached"), "\(untrusting.errors)")
    }

    @Test(
        "What cannot be is refused with what to do",
        arguments: [
            (["get", "text", "--url", "localhost:80"], 64, "is not the URL of a server"),
            (["get", "text", "--url", "http://a/shared/text"], 64, "give the segment's name as the argument"),
            (["get", "text", "--url", "http://127.0.0.1:1"], 1, "cannot be reached"),
            (
                ["get", "text", "--url", "http://127.0.0.1:1", "--directory", "/tmp"], 64,
                "--directory is for a segment"
            ),
            (
                ["set", "text", "--url", "http://127.0.0.1:1", "--capacity", "5", "--text", "x"], 64,
                "--capacity is for"
            ),
            (["get", "text", "--url", "http://127.0.0.1:1", "--url-key", "/none"], 64, "give --url-cert FILE"),
            (["get", "text", "--url", "http://127.0.0.1:1", "--url-ca", "/none"], 1, "cannot be used"),
            (["get", "no/name", "--url", "http://127.0.0.1:1"], 64, "no/name"),
            (["watch", "text", "--url", "http://127.0.0.1:1"], 1, "cannot be reached"),
        ])
    func refusals(arguments: [String], status: Int32, words: String) async throws {
        let result = try await run(arguments)
        #expect(result.status == status && result.errors.contains(words), "\(result.errors)")
    }

    @Test("Text that is no text is refused before it is sent, and too long text in the server's words")
    func badText() async throws {
        let url = try await server("--capacity", "100")
        let invalid = try await ChildProcess.run(
            ChildProcess.product("sharedmem"), ["set", "text", "--url", url], input: Data([0xFF]),
            environment: environment)
        #expect(invalid.status == 1 && invalid.errors.contains("not UTF-8"))
        #expect(try await run(["set", "text", "--url", url]).errors.contains("Standard input is empty"))
        let long = try await run(["set", "text", "--url", url], input: String(repeating: "x", count: 101))
        #expect(long.status == 1 && long.errors.contains("100"), "\(long.errors)")
    }
}
