import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// What a client may do with each certificate: a table, and a test for each of its cells.
@Suite("Client certificates", .fewAtATime)
struct TLSRoleTests {
    static let roles = """
        # A name is the common name, a DNS name or a URI.
        reader role=read
        writer name=the-writer
        admin role=admin
        some role=write segments=fl*
        lapsed role=admin expires=2020-01-01T00:00:00Z
        reader.example role=read
        spiffe://example/writer
        """

    static let requests: [(name: String, method: String, target: String, fields: [String])] = [
        ("GET", "GET", "/shared/flags", []),
        ("HEAD", "HEAD", "/shared/flags", []),
        ("OPTIONS", "OPTIONS", "/shared/flags", []),
        ("stream", "GET", "/shared/flags", ["Accept: text/event-stream"]),
        ("PUT", "PUT", "/shared/flags", []),
        ("other", "GET", "/shared/routes", []),
        ("other set", "PUT", "/shared/routes", []),
        ("not served", "GET", "/shared/flags2", []),
        ("probe", "GET", "/livez", []),
    ]

    /// What a server gives by the certificate alone.
    enum Rules: CaseIterable {
        /// Roles, and no tokens.
        case roles
        /// Roles, whose last entry is for all others, and no tokens.
        case rolesForAll
        /// Roles and tokens.
        case rolesAndTokens
        case tokens
        /// Neither: a certificate is enough to set the text.
        case neither
    }

    typealias Row = (rules: Rules, client: String?, statuses: [Int])

    /// 0 is a client that cannot connect.
    static let table: [Row] =
        refused
        + [.roles, .rolesForAll, .rolesAndTokens].flatMap { rules in
            named.map { (rules, $0.0, $0.1) }
        } + [
            (.roles, "unnamed", [403, 403, 403, 403, 403, 403, 403, 403, 200]),
            (.rolesForAll, "unnamed", [200, 200, 204, 200, 403, 200, 403, 404, 200]),
            (.rolesAndTokens, "unnamed", [401, 401, 401, 401, 401, 401, 401, 401, 200]),
            (.tokens, "writer", [401, 401, 401, 401, 401, 401, 401, 401, 200]),
            (.neither, "reader", [200, 200, 204, 200, 204, 200, 204, 404, 200]),
        ]

    private static let refused: [Row] = Rules.allCases.flatMap { rules in
        [nil, "expired", "stranger", "serverOnly"].map { (rules, $0, [0, 0, 0, 0, 0, 0, 0, 0, 0]) }
    }

    private static let named: [(String, [Int])] = [
        ("reader", [200, 200, 204, 200, 403, 200, 403, 404, 200]),
        ("byDNS", [200, 200, 204, 200, 403, 200, 403, 404, 200]),
        ("writer", [200, 200, 204, 200, 204, 200, 204, 404, 200]),
        ("byURI", [200, 200, 204, 200, 204, 200, 204, 404, 200]),
        ("admin", [200, 200, 204, 200, 204, 200, 204, 404, 200]),
        ("some", [200, 200, 204, 200, 204, 403, 403, 404, 200]),
        ("lapsed", [403, 403, 403, 403, 403, 403, 403, 403, 200]),
    ]

    struct Cell: Sendable, CustomTestStringConvertible {
        let rules: Rules
        let client: String?
        let request: Int
        let status: Int

        var testDescription: String { "\(rules), \(client ?? "none"), \(requests[request].name): \(status)" }
    }

    static let cells = table.flatMap { row in
        row.statuses.enumerated().map {
            Cell(rules: row.rules, client: row.client, request: $0.offset, status: $0.element)
        }
    }

    private func server(_ rules: Rules) async throws -> TestServer {
        let server = try await TestServer.encrypted(segments: ["flags", "routes"], clientsNeedCertificates: true) {
            if [.rolesAndTokens, .tokens].contains(rules) { $0.tokens = [try AccessToken(TestServer.token)] }
            if [.roles, .rolesAndTokens].contains(rules) {
                $0.tls?.clientRoles = try ClientRole.parse(file: Self.roles)
            }
            if rules == .rolesForAll { $0.tls?.clientRoles = try ClientRole.parse(file: Self.roles + "\n* role=read") }
        }
        try server.segment("flags").set("before")
        return server
    }

    @Test(
        "Each certificate gives access to what its name is for, and a refused request has no effect", arguments: cells)
    func cell(_ cell: Cell) async throws {
        let server = try await server(cell.rules)
        let request = Self.requests[cell.request]
        let name = String(request.target.dropFirst(8))
        let before = try? Segment.read(name, directory: server.directory.path).version
        var arguments = request.fields.flatMap { ["-H", $0] }
        // A stream has no end: its head is enough.
        let isHead = request.method == "HEAD" || request.name == "stream"
        arguments += isHead ? ["-I"] : ["-X", request.method]
        if request.method == "PUT" { arguments += ["-d", "set"] }
        let certificates = try await TestCertificates.shared()
        let result = try await ChildProcess.run(
            "curl",
            certificates.curl(as: cell.client) + ["-o", "/dev/null", "-w", "%{http_code}"] + arguments + [
                server.url + request.target
            ])
        #expect(Int(result.text) == cell.status, "\(result.text) \(result.errors)")
        let after = try? Segment.read(name, directory: server.directory.path).version
        #expect((before != after) == (request.method == "PUT" && cell.status == 204))
    }

    @Test("A client that presents a token is judged by that, whatever its certificate")
    func tokens() async throws {
        let server = try await server(.rolesAndTokens)
        let fields = { (token: String) in ["-H", "Authorization: Bearer \(token)"] }
        for (client, token, status) in [
            ("reader", TestServer.token, "204"), ("unnamed", TestServer.token, "204"),
            ("lapsed", TestServer.token, "204"),
            ("writer", "not-the-right-token", "401"), ("stranger", TestServer.token, "000"),
        ] {
            let certificates = try await TestCertificates.shared()
            let result = try await ChildProcess.run(
                "curl",
                certificates.curl(as: client) + fields(token) + ["-o", "/dev/null", "-w", "%{http_code}"] + [
                    "-X", "PUT", "-d", "x", server.url + "/shared",
                ])
            #expect(result.text == status, "\(client)")
        }
    }

    @Test("A refusal says what the certificate lacks, and a refused handshake why")
    func details() async throws {
        let server = try await server(.roles)
        for (client, target, words) in [
            ("reader", "/shared/flags", "certificate has the role read, and this needs write"),
            ("some", "/shared/routes", "certificate is for other segments"),
            ("lapsed", "/shared/flags", "certificate has expired"),
        ] {
            let result = try await server.curl("-X", "PUT", "-d", "x", target: target, as: client)
            #expect(result.text.contains(words), "\(result.text)")
        }
        for (client, alert) in [
            (nil, "certificate required"), ("stranger", "unknown ca"), ("expired", "certificate expired"),
            ("serverOnly", "unsupported certificate"),
        ] {
            let result = try await server.curl(as: client)
            #expect(result.errors.contains(alert), "\(result.errors)")
        }
        let older = try await server.curl("--tls-max", "1.2")
        #expect(older.errors.contains("handshake failure"), "\(older.errors)")
    }

    @Test("Replaced roles count at once, on open connections too, and what has begun goes on")
    func replacing() async throws {
        let server = try await server(.roles)
        let certificates = try await TestCertificates.shared()
        let stream = try ChildProcess(
            "curl",
            certificates.curl(as: "reader") + ["-N", "-H", "Accept: text/event-stream", server.url + "/shared"])
        _ = try await stream.line(beginning: "data: before")
        var tls = try certificates.configuration(clientsNeedCertificates: true)
        tls.clientRoles = [ClientRole("reader"), ClientRole("writer", role: .read)]
        try server.server.replaceTLS(tls)
        #expect(try await server.status("-X", "PUT", "-d", "after", as: "writer") == "403")
        #expect(try await server.status("-X", "PUT", "-d", "after", as: "reader") == "204")
        _ = try await stream.line(beginning: "data: after")
        // Whether clients need certificates, and have roles, is for a restart to change.
        for change in [{ $0.clientRoles = [] }, { ($0.clientRoles, $0.clientAuthorities) = ([], nil) }]
            as [(inout TLSConfiguration) -> Void]
        {
            var changed = tls
            change(&changed)
            #expect(throws: ServerError.self) { try server.server.replaceTLS(changed) }
        }
        #expect(try await server.status(as: nil) == "000")
    }

    @Test(
        "A file of roles that cannot be used is refused with its line",
        arguments: [
            ("a\nb role=owner", 2, "the role is unknown"), ("a\n\na role=read", 3, "earlier line"),
            ("a b", 1, "can follow a name"), ("# a", nil, "there is no entry"),
            ("a expires=tomorrow", 1, "not a date"), ("a segments=,", 1, "segments is a list"),
        ] as [(String, Int?, String)])
    func faults(_ content: String, _ line: Int?, _ words: String) throws {
        let error = #expect(throws: TokenFileError.self) { try ClientRole.parse(file: content) }
        #expect(error?.line == line && error?.problem.contains(words) == true)
    }

    @Test("An entry has a name, a role, segments and an end, as in a token file")
    func entries() throws {
        let entries = try ClientRole.parse(
            file: "spiffe://a/b role=read name=b segments=x,y* expires=2026-12-31T00:00:00Z # c")
        #expect(
            entries == [
                ClientRole("spiffe://a/b", role: .read, name: "b", segments: ["x", "y*"], expires: 1_798_675_200)
            ])
    }
}
