import Foundation
import HTTPMessages
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("Contract", .fewAtATime)
struct ContractTests {
    static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("openapi.yaml").path

    @Test("The server serves openapi.yaml as it is in the repository")
    func served() throws {
        let server = try TestServer()
        let response = try server.request("GET", "/openapi.yaml")
        #expect(response.status == 200)
        #expect(response["Content-Type"] == "application/yaml")
        #expect(try Data(contentsOf: URL(fileURLWithPath: Self.path)) == Data(response.body))
        let tag = try #require(response["ETag"])
        #expect(try server.request("GET", "/openapi.yaml", ["If-None-Match: \(tag)"]).status == 304)
        #expect(try server.request("GET", "/openapi.yaml", ["If-Match: \"x\""]).status == 412)
        #expect(try server.request("HEAD", "/openapi.yaml")["ETag"] == tag)
    }

    @Test("openapi.yaml is valid OpenAPI")
    func valid() async throws {
        let result = try await ChildProcess.run("python3", ["-m", "openapi_spec_validator", Self.path])
        #expect(result.status == 0, "\(result.text)\(result.errors)")
    }

    @Test("openapi.yaml describes every problem type with its status and title")
    func problems() async throws {
        let contract = try await Contract.load(Self.path)
        let examples = try #require(contract.document["components", "examples"]?.object)
        #expect(Set(examples.keys) == Set(ProblemType.allCases.map(\.rawValue)))
        for type in ProblemType.allCases {
            let value = try #require(examples[type.rawValue]?["value"])
            #expect(value["status"]?.integer == Int(type.status.rawValue))
            #expect(value["title"]?.string == type.title)
            #expect(value["type"]?.string == "/openapi.yaml#/components/examples/\(type.rawValue)")
        }
    }

    // MARK: Against the running server

    /// A request that causes a documented response.
    struct Provocation {
        let key: Contract.Key
        var target: String?
        var fields: [String] = []
        var body: [UInt8]?
        var server = Servers.Kind.open
    }

    struct Servers {
        enum Kind { case open, protected, unattached, damaged, dynamic, peers, keeping }

        subscript(kind: Kind) -> TestServer {
            switch kind {
            case .open: open
            case .protected: protected
            case .unattached: unattached
            case .damaged: damaged
            case .dynamic: dynamic
            case .peers: peers
            case .keeping: keeping
            }
        }

        let open: TestServer
        let protected: TestServer
        let unattached: TestServer
        let damaged: TestServer
        let dynamic: TestServer
        /// Accepts a user that does not exist, and no other.
        let peers: TestServer
        /// Keeps two versions on disk, of which the second one is current.
        let keeping: TestServer
        private let disk: TemporaryDirectory

        init() throws {
            open = try TestServer(capacity: 100)
            protected = try TestServer {
                $0.tokens = [try AccessToken("of-another-segment", segments: ["another"])]
            }
            unattached = try TestServer()
            try Segment.unlink("text", directory: unattached.directory.path)
            let path = unattached.directory.path(of: "text")
            try Data("not a segment".utf8).write(to: URL(fileURLWithPath: path))
            // This request makes the server look at the name at once.
            #expect(try unattached.request("GET", "/readyz").status == 503)

            dynamic = try TestServer { $0.isDynamic = true }
            peers = try TestServer {
                $0.listen = [.unix(path: "\($0.directory ?? "")/socket")]
                $0.allowedUsers = [54321]
            }
            disk = try TemporaryDirectory()
            keeping = try TestServer { [disk] in
                ($0.keepDirectory, $0.keptVersionCount, $0.keepsBeforeAnswering) = (disk.path, 2, true)
            }
            for text in ["one", "two"] { #expect(try keeping.set(text).status == 204) }

            damaged = try TestServer()
            let file = FileHandle(forUpdatingAtPath: damaged.directory.path(of: "text"))
            // The publication word: it names a slot that does not exist.
            try file?.seek(toOffset: UInt64(SegmentFormat.currentOffset))
            try file?.write(contentsOf: Data(repeating: 0xff, count: 8))
        }
    }

    static let longCookie = "Cookie: \(String(repeating: "a=b; ", count: 195))"

    static var provocations: [Provocation] {
        ["/shared", "/shared/{name}"].flatMap(textProvocations)
            + ["/", "/shared/", "/metrics"].flatMap(listProvocations)
            + ["/openapi.yaml", "/livez", "/readyz"].flatMap(serviceProvocations)
    }

    static func textProvocations(_ path: String) -> [Provocation] {
        func provoke(
            _ method: String, _ status: Int, _ fields: [String] = [], body: [UInt8]? = nil, target: String? = nil,
            _ server: Servers.Kind = .open
        ) -> Provocation {
            Provocation(
                key: .init(path, method, status), target: target, fields: fields,
                body: method == "PUT" ? body ?? [0x61] : nil, server: server)
        }
        // In this order: the segment is removed, found missing, and created again.
        let removal = [
            provoke("DELETE", 412, ["If-None-Match: *"], .dynamic), provoke("DELETE", 204, [], .dynamic),
            provoke("DELETE", 404, [], .dynamic), provoke("GET", 404, [], .dynamic), provoke("HEAD", 404, [], .dynamic),
            provoke("PUT", 201, [], .dynamic), provoke("DELETE", 405),
        ]
        let all = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"].flatMap { method in
            [
                provoke(method, 400, ["Host: again"]), provoke(method, 501, ["Transfer-Encoding: gzip, chunked"]),
                provoke(method, 417, ["Expect: x"]), provoke(method, 421, target: "http://evil.example/shared"),
                provoke(method, 431, [longCookie]), provoke(method, 401, [], .protected),
                provoke(method, 403, ["Authorization: Bearer of-another-segment"], .protected),
            ] + (path == "/shared" ? [] : [provoke(method, 404, target: "/shared/nobody")])
        }
        let reads = ["GET", "HEAD"].flatMap { method in
            [
                provoke(method, 200), provoke(method, 304, ["If-None-Match: *"]),
                provoke(method, 412, ["If-Match: \"x\""]), provoke(method, 503, [], .unattached),
                provoke(method, 500, [], .damaged), provoke(method, 200, [], .keeping),
                provoke(method, 304, ["If-None-Match: *"], .keeping),
                provoke(method, 404, target: (path == "/shared" ? path : "/shared/text") + "?version=1", .keeping),
            ]
        }
        return removal + all + reads + [
            provoke("OPTIONS", 204), provoke("PUT", 204), provoke("PUT", 412, ["If-None-Match: *"]),
            provoke("PUT", 400, body: [0xff]), provoke("PUT", 413, body: [UInt8](repeating: 0x61, count: 101)),
            provoke("PUT", 415, ["Content-Encoding: gzip"]), provoke("PUT", 415, ["Content-Type: a/b; charset=x"]),
            provoke("PUT", 415, ["Content-Type: multipart/form-data"]),
            provoke("PUT", 503, [], .unattached), provoke("PUT", 500, [], .damaged),
        ]
    }

    static func listProvocations(_ path: String) -> [Provocation] {
        func provoke(
            _ method: String, _ status: Int, _ fields: [String] = [], target: String? = nil,
            _ server: Servers.Kind = .open
        ) -> Provocation {
            Provocation(key: .init(path, method, status), target: target, fields: fields, server: server)
        }
        return ["GET", "HEAD", "OPTIONS"].flatMap { method in
            [
                provoke(method, method == "OPTIONS" ? 204 : 200), provoke(method, 400, ["Host: again"]),
                provoke(method, 417, ["Expect: x"]), provoke(method, 431, [longCookie]),
                provoke(method, 501, ["Transfer-Encoding: gzip, chunked"]),
                provoke(method, 421, target: "http://evil.example\(path)"), provoke(method, 401, [], .protected),
                provoke(method, 403, [], .peers),
            ] + (method == "OPTIONS" || path == "/metrics" ? [] : [provoke(method, 304, ["If-None-Match: *"])])
        }
    }

    static func serviceProvocations(_ path: String) -> [Provocation] {
        func provoke(
            _ method: String, _ status: Int, _ fields: [String] = [], target: String? = nil,
            _ server: Servers.Kind = .open
        ) -> Provocation {
            Provocation(key: .init(path, method, status), target: target, fields: fields, server: server)
        }
        var provocations = ["GET", "HEAD", "OPTIONS"].flatMap { method in
            [
                provoke(method, method == "OPTIONS" ? 204 : 200), provoke(method, 400, ["Host: again"]),
                provoke(method, 417, ["Expect: x"]), provoke(method, 431, [longCookie]),
                provoke(method, 501, ["Transfer-Encoding: gzip, chunked"]),
            ]
                + (path == "/openapi.yaml" ? [provoke(method, 421, target: "http://evil.example\(path)")] : [])
        }
        for method in ["GET", "HEAD"] {
            if path == "/openapi.yaml" {
                provocations.append(provoke(method, 304, ["If-None-Match: *"]))
                provocations.append(provoke(method, 412, ["If-Match: \"x\""]))
            }
            if path == "/readyz" { provocations.append(provoke(method, 503, [], .unattached)) }
        }
        return provocations
    }

    /// Caused in other suites: they need time, a full tmpfs, or servers that follow others.
    static let notProvoked: Set = [408, 409, 502, 504, 507, 508]

    @Test("Every documented response occurs, as documented")
    func conformance() async throws {
        let contract = try await Contract.load(Self.path)
        let responses = contract.responses
        let servers = try Servers()
        var seen: Set<Contract.Key> = []
        for provocation in Self.provocations {
            let key = provocation.key
            let target = provocation.target ?? key.path.replacingOccurrences(of: "{name}", with: "text")
            let response = try servers[provocation.server].request(
                key.method, target, provocation.fields, body: provocation.body)
            #expect((response["Link"] != nil) == (provocation.server == .keeping && response.status < 400), "\(key)")
            #expect(response.status == key.status, "\(key)")
            let described = try #require(responses[key], "\(key)")
            contract.check(response, against: described, key)
            seen.insert(key)
        }
        let missing = Set(responses.keys).subtracting(seen).filter { !Self.notProvoked.contains($0.status) }
        #expect(missing.isEmpty, "\(missing.map(\.description).sorted())")
    }

    @Test("A method that a path does not document is 405, as documented")
    func otherMethods() async throws {
        let contract = try await Contract.load(Self.path)
        let described = try #require(contract.document["components", "responses", "MethodNotAllowed"])
        let server = try TestServer()
        for (path, item) in contract.document["paths"]?.object ?? [:] {
            let documented = Set((item.object ?? [:]).keys.map { $0.uppercased() })
            for method in Set(["GET", "HEAD", "PUT", "OPTIONS", "POST", "DELETE", "PATCH", "QUERY"]).subtracting(
                documented)
            {
                let response = try server.request(
                    method, path.replacingOccurrences(of: "{name}", with: "text"))
                #expect(response.status == 405)
                contract.check(response, against: described, .init(path, method, 405))
                let allowed = Set((response["Allow"] ?? "").components(separatedBy: ", "))
                #expect(allowed == documented.intersection(["GET", "HEAD", "PUT", "OPTIONS"]))
            }
        }
    }
}
