import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// What each subcommand prints with --json, beside docs/output.schema.json.
@Suite("JSON", .fewAtATime)
struct JSONTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let schema = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appending(path: "../../docs/output.schema.json").standardized.path

    /// Checks output that is one JSON value, or one a line, against the definition of a name in the schema.
    private func expect(_ output: String, matches definition: String, isLines: Bool = false) async throws {
        let script = """
            import json, sys
            from jsonschema import Draft202012Validator
            schema = json.load(open(sys.argv[1]))
            Draft202012Validator.check_schema(schema)
            validator = Draft202012Validator({"$ref": "#/$defs/" + sys.argv[2], "$defs": schema["$defs"]})
            text = sys.stdin.read()
            values = [json.loads(value) for value in (text.splitlines() if sys.argv[3] == "lines" else [text])]
            assert values
            for value in values:
                for error in validator.iter_errors(value):
                    print(error.json_path, error.message)
            """
        let result = try await ChildProcess.run(
            "python3", ["-c", script, Self.schema, definition, isLines ? "lines" : "value"], input: Data(output.utf8))
        #expect(result.status == 0 && result.text == "", "\(definition): \(result.text)\(result.errors)\n\(output)")
    }

    @Test("What is printed about the text and its versions matches the schema")
    func texts() async throws {
        try await expect(try await output("set", "a", "--text", "ä\n\u{1}", "--json"), matches: "set")
        let get = try await output("get", "a", "--json")
        try await expect(get, matches: "get")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(get.utf8)) as? [String: Any])
        #expect(object["text"] as? String == "ä\n\u{1}" && object["bytes"] as? Int == 4)
        try await expect(try await output("watch", "a", "--once", "--json"), matches: "watch", isLines: true)
        _ = try Segment.attach("new", AttachmentOptions(lifetime: .persistent, directory: directory.path))
        let new = try await output("get", "new", "--json")
        try await expect(new, matches: "get")
        #expect(new.contains("\"changed\" : null"))
        try await expect(try await output("migrate", "a", "--json"), matches: "migrate")
        try await expect(try await output("release", "a", "--json"), matches: "release")
        try await expect(try await output("version", "--json"), matches: "version")
        #expect(try await output("version").hasSuffix(", layout version 2\n"))
    }

    @Test("What is printed about segments matches the schema, with the names of the list over HTTP")
    func segments() async throws {
        try await sharedmem("set", "a", "--text", "hello")
        let segment = try Segment.attach("b", AttachmentOptions(lifetime: .persistent, directory: directory.path))
        try Data("junk".utf8).write(to: URL(fileURLWithPath: directory.path(of: "c")))
        let file = try #require(FileHandle(forWritingAtPath: directory.path(of: "a")))
        try file.seek(toOffset: 204)
        try file.write(contentsOf: [0x90, 0x1f, 1, 0])
        for name in ["a", "b"] { try await expect(try await output("info", name, "--json"), matches: "info") }
        let list = try await output("list", "--json")
        try await expect(list, matches: "list")
        try await expect(try await output("top", "--batch", "2", "--json"), matches: "top", isLines: true)

        let (server, url) = try await serve("a", "--dynamic", "--listen", "127.0.0.1:0")
        let http = try await ChildProcess.run("curl", ["-s", url + "/"]).text
        _ = try await stop(server)
        let served = try #require(try JSONSerialization.jsonObject(with: Data(http.utf8)) as? [String: Any])
        let entries = try #require(served["segments"] as? [[String: Any]])
        let listed = try #require(try JSONSerialization.jsonObject(with: Data(list.utf8)) as? [[String: Any]])
        for entry in entries {
            let other = try #require(listed.first { $0["name"] as? String == entry["name"] as? String })
            for (field, value) in entry where field != "href" && field != "changed" {
                let values = try [#require(other[field]), value].map {
                    try JSONSerialization.data(withJSONObject: [$0], options: .sortedKeys)
                }
                #expect(values[0] == values[1], "\(field)")
            }
            #expect((other["changed"] as? String)?.prefix(19) == (entry["changed"] as? String)?.prefix(19))
        }
        withExtendedLifetime(segment) {}
    }

    @Test("What is printed about diagnoses, kept versions and options matches the schema")
    func others() async throws {
        let missing = try await sharedmem("doctor", "none", "--json")
        #expect(missing.status == 1)
        try await expect(missing.text, matches: "doctor")
        let keep = "\(directory.path)/keep"
        try FileManager.default.createDirectory(atPath: keep, withIntermediateDirectories: false)
        let (server, url) = try await serve("--listen", "127.0.0.1:0", "--keep", keep, "--keep-sync")
        #expect(try await status(url, "-X", "PUT", "-d", "kept") == "204")
        _ = try await stop(server)
        let history = try await output("history", "--keep", keep, "--json")
        try await expect(history, matches: "history")
        let versions = try #require(try JSONSerialization.jsonObject(with: Data(history.utf8)) as? [[String: Any]])
        let version = try #require(versions.last?["version"] as? String)
        try await expect(try await output("revert", "shared", version, "--keep", keep, "--json"), matches: "set")
        try await expect(
            try await output("serve", "--print-config", "--json", "--listen", "127.0.0.1:0"), matches: "printConfig")
    }
}
