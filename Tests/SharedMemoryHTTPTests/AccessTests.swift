import Foundation
import LinuxSystem
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// What each client may do: a table, and a test for each of its cells.
@Suite("Access", .fewAtATime)
struct RoleTests {
    enum Client: String, CaseIterable {
        case none, otherScheme, wrong, expired, read, write, admin, readOfSome, writeOfSome, adminOfSome

        var fields: [String] {
            switch self {
            case .none: []
            case .otherScheme: ["Authorization: Basic token-of-the-write-role"]
            default: ["Authorization: Bearer token-of-the-\(rawValue)-role"]
            }
        }
    }

    static let requests: [(name: String, method: String, target: String, fields: [String])] = [
        ("GET", "GET", "/shared/flags", []),
        ("HEAD", "HEAD", "/shared/flags", []),
        ("OPTIONS", "OPTIONS", "/shared/flags", []),
        ("stream", "GET", "/shared/flags", ["Accept: text/event-stream"]),
        ("poll", "GET", "/shared/flags", ["If-None-Match: \"0\"", "Prefer: wait=60"]),
        ("PUT", "PUT", "/shared/flags", []),
        ("first", "PUT", "/shared", []),
        ("other", "GET", "/shared/routes", []),
        ("other set", "PUT", "/shared/routes", []),
        ("not served", "GET", "/shared/flags2", []),
        ("neither", "PUT", "/shared/nothing", []),
        ("POST", "POST", "/shared/flags", []),
    ]

    /// The status of each request; those of the last two rows are limited to the segments `fl*`.
    static let table: [(Client, [Int])] = [
        (.none, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        (.otherScheme, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        (.wrong, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        (.expired, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        (.read, [200, 200, 204, 200, 200, 403, 403, 200, 403, 404, 403, 405]),
        (.write, [200, 200, 204, 200, 200, 204, 204, 200, 204, 404, 404, 405]),
        (.admin, [200, 200, 204, 200, 200, 204, 204, 200, 204, 404, 404, 405]),
        (.readOfSome, [200, 200, 204, 200, 200, 403, 403, 403, 403, 404, 403, 405]),
        (.writeOfSome, [200, 200, 204, 200, 200, 204, 204, 403, 403, 404, 403, 405]),
        (.adminOfSome, [200, 200, 204, 200, 200, 204, 204, 403, 403, 404, 403, 405]),
    ]

    static let dynamicRequests: [(method: String, target: String, fields: [String])] = [
        ("GET", "/shared/", []), ("GET", "/", []), ("GET", "/shared/", ["Accept: text/event-stream"]),
        ("GET", "/metrics", []), ("GET", "/shared/flags2", []), ("PUT", "/shared/flags2", []),
        ("PUT", "/shared/routes2", []), ("DELETE", "/shared/flags", []), ("DELETE", "/shared/routes", []),
        ("DELETE", "/shared/nothing", []),
    ]

    /// The status of each of those, in this order.
    static let dynamicTable: [(Client, [Int])] =
        [Client.none, .otherScheme, .wrong, .expired].map { ($0, [Int](repeating: 401, count: 10)) } + [
            (.read, [200, 200, 200, 200, 404, 403, 403, 403, 403, 403]),
            (.write, [200, 200, 200, 200, 404, 403, 403, 403, 403, 403]),
            (.admin, [200, 200, 200, 200, 404, 201, 201, 204, 204, 404]),
            (.readOfSome, [200, 200, 200, 200, 404, 403, 403, 403, 403, 403]),
            (.writeOfSome, [200, 200, 200, 200, 404, 403, 403, 403, 403, 403]),
            (.adminOfSome, [200, 200, 200, 200, 404, 201, 403, 204, 403, 403]),
        ]

    @Test("To create and delete segments takes the role admin, for that segment", arguments: dynamicTable.map(\.0))
    func dynamicCells(_ client: Client) throws {
        let server = try Self.server { $0.isDynamic = true }
        let statuses = try #require(Self.dynamicTable.first { $0.0 == client }?.1)
        for (request, status) in zip(Self.dynamicRequests, statuses) {
            let response = try server.request(
                request.method, request.target, client.fields + request.fields,
                body: request.method == "PUT" ? [0x61] : nil)
            #expect(response.status == status, "\(request)")
        }
    }

    static func tokens() throws -> [AccessToken] {
        try AccessToken.parse(
            file: """
                token-of-the-read-role role=read name=reader
                token-of-the-write-role
                token-of-the-admin-role role=admin
                token-of-the-expired-role role=admin expires=2020-01-01T00:00:00Z
                token-of-the-readOfSome-role role=read segments=nothing-else,fl*
                token-of-the-adminOfSome-role role=admin segments=fl*
                token-of-the-writeOfSome-role segments=fl* expires=2999-12-31T23:59:59+01:00
                """)
    }

    static func server(_ configure: (inout ServerConfiguration) throws -> Void = { _ in }) throws -> TestServer {
        let server = try TestServer(segments: ["flags", "routes"]) {
            $0.tokens = try tokens()
            try configure(&$0)
        }
        try server.segment("flags").set("before")
        return server
    }

    @Test("Each client has access to what its token is for", arguments: [false, true], table.map(\.0))
    func cells(isUnix: Bool, _ client: Client) throws {
        let directory = try TemporaryDirectory()
        let server = try Self.server { if isUnix { $0.listen = [.unix(path: "\(directory.path)/socket")] } }
        defer { withExtendedLifetime(directory) {} }
        let statuses = try #require(Self.table.first { $0.0 == client }?.1)
        for (request, status) in zip(Self.requests, statuses) {
            let name = request.target.split(separator: "/").count == 1 ? "flags" : String(request.target.dropFirst(8))
            let before = try? Segment.read(name, directory: server.directory.path).version
            let body = request.method == "PUT" ? Array("set by \(client)".utf8) : nil
            let connection = try server.connect()
            let response = try connection.request(
                request.method, request.target, client.fields + request.fields, body: body)
            #expect(response.status == status, "\(client), \(request.name)")
            // What is refused has no effect.
            let after = try? Segment.read(name, directory: server.directory.path).version
            #expect((before != after) == (request.method == "PUT" && status == 204), "\(client), \(request.name)")
            if [401, 403].contains(status) {
                #expect(response["WWW-Authenticate"]?.hasPrefix("Bearer realm=\"sharedmem\"") == true)
            }
        }
    }

    @Test(
        "The service's own resources are for every client", arguments: Client.allCases,
        ["/livez", "/readyz", "/openapi.yaml"])
    func unprotected(_ client: Client, _ target: String) throws {
        #expect(try Self.server().request("GET", target, client.fields).status == 200)
    }

    @Test("A refusal says what the token lacks, as RFC 6750 has it, and never shows a token")
    func details() throws {
        let server = try Self.server()
        for (client, method, target, detail, challenge) in [
            (.none, "GET", "/shared", "requires a token", ""),
            (.wrong, "GET", "/shared", "does not know", ", error=\"invalid_token\""),
            (.expired, "GET", "/shared", "has expired", ", error=\"invalid_token\""),
            (
                .read, "PUT", "/shared", "has the role read, and this needs write",
                ", error=\"insufficient_scope\", scope=\"write\""
            ),
            (.readOfSome, "GET", "/shared/routes", "other segments", ", error=\"insufficient_scope\""),
        ] as [(Client, String, String, String, String)] {
            let response = try server.request(method, target, client.fields, body: method == "PUT" ? [0x61] : nil)
            #expect((response.problem["detail"] as? String)?.contains(detail) == true, "\(client): \(response.text)")
            #expect(response["WWW-Authenticate"] == "Bearer realm=\"sharedmem\"" + challenge)
            #expect(!response.text.contains("token-of"))
        }
    }

    @Test(
        "A body without the right token is refused before the client sends it",
        arguments: [(Client.none, 401), (.read, 403)])
    func expectation(_ client: Client, _ status: Int) throws {
        let server = try Self.server()
        let connection = try server.connect()
        let fields = client.fields.map { $0 + "\r\n" }.joined()
        try connection.send(
            "PUT /shared HTTP/1.1\r\nHost: a\r\n\(fields)Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        #expect(try connection.response().status == status)
    }

    @Test("Without tokens, a field that presents one makes no difference")
    func noTokens() throws {
        let server = try Self.server { $0.tokens = [] }
        for client in Client.allCases {
            #expect(try server.request("PUT", "/shared", client.fields, body: [0x61]).status == 204)
        }
    }

    // MARK: Replacing tokens

    @Test("Replaced tokens count at once, on open connections too, and what has begun goes on")
    func replacing() throws {
        let server = try Self.server()
        let connection = try server.connect()
        #expect(try connection.request("GET", "/shared", Client.write.fields).status == 200)
        let stream = try EventStream(server.connect(), "/shared", Client.read.fields)
        #expect(try stream.next()?.text == "before")
        try server.server.replaceTokens([try AccessToken("token-of-the-new-role")])
        #expect(try connection.request("GET", "/shared", Client.write.fields).status == 401)
        #expect(
            try connection.request("PUT", "/shared", ["Authorization: Bearer token-of-the-new-role"], body: [0x61])
                .status == 204)
        #expect(try stream.next()?.text == "a")
        #expect(throws: ServerError.self) { try server.server.replaceTokens([]) }
        #expect(try connection.request("GET", "/shared").status == 401)
        let open = try TestServer()
        #expect(throws: ServerError.self) { try open.server.replaceTokens(try Self.tokens()) }
    }

    // MARK: Reading only

    @Test("A server that only reads takes no PUT, whatever the token, and says so")
    func readOnly() throws {
        let server = try Self.server { $0.isReadOnly = true }
        for client in [Client.write, .admin] {
            let response = try server.request("PUT", "/shared", client.fields, body: [0x61])
            #expect(response.status == 405 && response["Allow"] == "GET, HEAD, OPTIONS")
            #expect(try server.request("OPTIONS", "/shared", client.fields)["Allow"] == "GET, HEAD, OPTIONS")
            #expect(try server.request("GET", "/shared", client.fields).text == "before")
        }
        try server.segment("flags").set("by a process of the host")
        #expect(try server.request("GET", "/shared", Client.read.fields).text == "by a process of the host")
    }

    // MARK: Users of a Unix socket

    /// What a client that runs as another user gets for a PUT.
    private func status(
        as identity: [String], _ server: TestServer, _ socket: String, _ client: Client
    ) async throws -> String {
        let fields = client.fields.flatMap { ["-H", $0] }
        return try await ChildProcess.run(
            "setpriv",
            identity + [
                "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-d", "x", "--unix-socket", socket,
            ] + fields + ["http://localhost/shared"]
        ).text
    }

    @Test(
        "Through a Unix socket, the users and the members of the groups that are allowed need no token",
        .enabled(if: geteuid() == 0), arguments: [false, true])
    func peers(hasTokens: Bool) async throws {
        let directory = try TemporaryDirectory()
        chmod(directory.path, 0o711)
        let socket = "\(directory.path)/socket"
        let server = try Self.server {
            if !hasTokens { $0.tokens = [] }
            $0.listen = [.unix(path: socket)]
            ($0.allowedUsers, $0.allowedGroups, $0.socketMode) = ([12345], [54321], 0o666)
        }
        defer { withExtendedLifetime(directory) {} }
        let (user, other) = (["--reuid", "12345"], ["--reuid", "12346"])
        let (none, group, groups) = (["--clear-groups"], ["--groups", "54321"], ["--groups", "7,8,54321,9"])
        let refused = hasTokens ? "401" : "403"
        for (identity, client, status) in [
            (user + ["--regid", "12345"] + none, .none, "204"),
            (other + ["--regid", "54321"] + none, .none, "204"),
            (other + ["--regid", "12346"] + group, .none, "204"),
            (other + ["--regid", "12346"] + groups, .none, "204"),
            (other + ["--regid", "12346"] + none, .none, refused),
            (other + ["--regid", "12346"] + none, .write, hasTokens ? "204" : "403"),
            // A client that presents a token is judged by that.
            (user + ["--regid", "12345"] + none, .read, hasTokens ? "403" : "204"),
            (user + ["--regid", "12345"] + none, .wrong, hasTokens ? "401" : "204"),
        ] as [([String], Client, String)] {
            let found = try await self.status(as: identity, server, socket, client)
            #expect(found == status, "\(identity) \(client)")
        }
        // Probes are for everyone.
        let probe = try await ChildProcess.run(
            "setpriv",
            other + ["--regid", "12346"] + none + [
                "curl", "-s", "--unix-socket", socket, "http://localhost/livez",
            ])
        #expect(probe.text == "alive\n")
    }

    @Test("Users, groups and a mode without a Unix socket are refused, as they would have no effect")
    func peersWithoutSocket() {
        for configure in [
            { $0.allowedUsers = [1] }, { $0.allowedGroups = [1] }, { $0.socketMode = 0o666 },
        ] as [(inout ServerConfiguration) -> Void] {
            #expect(throws: ServerError.self) { try TestServer { configure(&$0) } }
        }
    }
}

@Suite("Access tokens", .fewAtATime)
struct AccessTokenTests {
    static let secret = "0123456789abcdef"

    @Test("A token file has a token on each line, with what it is for")
    func file() throws {
        let tokens = try AccessToken.parse(
            file: """
                # The tokens of the fleet
                \(Self.secret)

                    \(Self.secret)1   role=read\tname=dashboard  # until the summer
                \(Self.secret)#2 segments=flags,route-?,*x expires=2026-12-31T23:59:59.5+02:00 role=admin\r
                """)
        #expect(tokens.map(\.secret) == [Self.secret, Self.secret + "1", Self.secret + "#2"])
        #expect(tokens.map(\.role) == [.write, .read, .admin])
        #expect(tokens.map(\.name) == [nil, "dashboard", nil])
        #expect(tokens[2].segments == ["flags", "route-?", "*x"])
        #expect(tokens.map(\.expires) == [nil, nil, 1_798_754_399])
    }

    @Test("The example in security.md is a token file")
    func documented() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/security.md")
        let document = try String(contentsOf: path, encoding: .utf8)
        let block = try #require(document.firstMatch(of: /```text\n(# TOKEN .*?)```/.dotMatchesNewlines())?.output.1)
        let tokens = try AccessToken.parse(file: String(block))
        #expect(tokens.map(\.role) == [.read, .write] && tokens.map(\.name) == ["dashboard", "deploy"])
        #expect(tokens[1].segments == ["flags", "route-*"] && tokens[1].expires != nil)
    }

    @Test(
        "A token file with a fault is refused, with the line and what to do, but without a token",
        arguments: [
            ("", nil, "no token"), ("# only a comment\n\n", nil, "no token"),
            ("0123456789abcde", 1, "16 to 512"), (String(repeating: "x", count: 513), 1, "16 to 512"),
            ("\n0123456789abcdefñ", 2, "visible ASCII"),
            ("\(secret)\n\(secret) role=read", 2, "in an earlier line"),
            ("\(secret) role=owner", 1, "read, write, admin"), ("\(secret) role=", 1, "read, write, admin"),
            ("\(secret) rôle=read", 1, "only role=, name="), ("\(secret) role=read role=read", 1, "given twice"),
            ("\(secret) \(secret)", 1, "only role=, name="), ("\(secret) name=", 1, "1 to 64"),
            ("\(secret) segments=", 1, "without blanks"), ("\(secret) segments=a,,b", 1, "without blanks"),
            ("\(secret) 0123456789abcdeg=", 1, "only role="), ("\(secret) expires=tomorrow", 1, "2026-12-31T23:59:59Z"),
            ("\(secret) expires=2026-13-01T00:00:00Z", 1, "2026-12-31T23:59:59Z"),
        ] as [(String, Int?, String)])
    func faults(_ content: String, _ line: Int?, _ problem: String) {
        let error = #expect(throws: TokenFileError.self) { try AccessToken.parse(file: content) }
        #expect(error?.line == line && error?.problem.contains(problem) == true, "\(String(describing: error))")
        #expect(error?.description.contains("0123456789") == false)
    }

    @Test("A token shows its secret to no log")
    func hidden() throws {
        let token = try AccessToken(Self.secret, name: "x")
        var dumped = ""
        dump(token, to: &dumped)
        #expect(!"\(token) \(String(reflecting: token)) \(dumped)".contains(Self.secret))
    }

    @Test(
        "In a pattern, * stands for any characters and ? for one",
        arguments: [
            ("flags", "flags", true), ("flags", "flag", false), ("flags", "flagss", false), ("flags", "*", true),
            ("", "*", true), ("", "", true), ("a", "", false), ("flags", "f*s", true), ("flags", "f*x", false),
            ("flags", "fl?gs", true), ("flags", "fl?s", false), ("abcabcd", "*abcd", true), ("aaa", "*a*a*a*", true),
            ("aa", "*a*a*a*", false), ("a.b", "a?b", true), ("a*b", "a*b", true), ("route-7", "route-?", true),
            ("route-10", "route-?", false), ("x", "**", true), ("Flags", "flags", false),
        ])
    func patterns(_ name: String, _ pattern: String, _ isMatch: Bool) throws {
        // Through the tokens of a server, which judges by name whether or not it serves the segment.
        let server = try TestServer { $0.tokens = [try AccessToken(Self.secret, segments: [pattern])] }
        guard !name.isEmpty, !pattern.isEmpty, !name.contains("*") else { return }
        let status = try server.request("GET", "/shared/\(name)", [TestServer.bearer]).status
        #expect(status == (isMatch ? 404 : 403))
    }

    @Test(
        "A token is 16 to 512 characters that a header can carry",
        arguments: ["", "a b", "a\n", "ñ", "0123456789abcde"])
    func invalid(secret: String) {
        #expect(throws: ServerError.invalidToken) { try AccessToken(secret) }
        #expect(throws: ServerError.invalidToken) { try AccessToken(Self.secret + " ") }
    }
}
