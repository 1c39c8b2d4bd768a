import Foundation
import Logging
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// What the server says of changes and requests, and what of a request goes through it.
@Suite("Logging", .fewAtATime)
struct LoggingTests {
    private func entry(_ message: String, _ reports: Reports, _ count: Int = 1) async throws -> Reports.Entry {
        try await eventually("\(count) entries '\(message)'") {
            let found = reports.entries.filter { $0.message == message }
            return found.count >= count ? found[count - 1] : nil
        }
    }

    // MARK: Changes

    @Test("A change over HTTP is logged with what and who, and never with the token")
    func changes() async throws {
        let reports = Reports()
        let server = try TestServer {
            $0.isDynamic = true
            $0.logger = reports.logger
            $0.tokens = [try AccessToken("the-secret-of-the-deployer", role: .admin, name: "deploy")]
        }
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let fields = ["Authorization: Bearer the-secret-of-the-deployer", "X-Request-ID: r-1", "traceparent: \(trace)"]
        let response = try server.request("PUT", "/shared", fields, body: Array("zwölf".utf8))
        let set = try await entry("text set", reports)
        #expect(set.level == .info)
        #expect(
            set.metadata == [
                "segment": "text", "version": try #require(response["ETag"]).filter { $0 != "\"" }, "bytes": "6",
                "client": "127.0.0.1", "token": "deploy", "request_id": "r-1", "traceparent": trace,
            ])
        #expect(try server.request("PUT", "/shared/new", fields, body: []).status == 201)
        #expect(try await entry("segment created", reports).metadata["segment"] == "new")
        #expect(try await entry("text set", reports, 2).metadata["segment"] == "new")
        #expect(try server.request("DELETE", "/shared/new", fields).status == 204)
        #expect(try await entry("segment deleted", reports).metadata["token"] == "deploy")
        // What is refused changes nothing.
        let count = reports.entries.count
        #expect(try server.request("PUT", "/shared", fields + ["If-Match: \"x\""], body: []).status == 412)
        #expect(try server.request("GET", "/shared", fields).status == 200)
        #expect(reports.entries.count == count)
        #expect(reports.entries.allSatisfy { !"\($0)".contains("the-secret") })
    }

    @Test("A change by a local process is logged with its program and its user", arguments: [false, true])
    func localChanges(isDynamic: Bool) async throws {
        let reports = Reports()
        let server = try TestServer {
            $0.isDynamic = isDynamic
            $0.logger = reports.logger
        }
        // A dynamic server logs the changes of segments that it is attached to.
        #expect(try server.request("GET", "/shared").status == 200)
        for (number, text) in ["one", "four"].enumerated() {
            let result = try await ChildProcess.run(
                ChildProcess.product("sharedmem"),
                ["set", "text", "--text", text, "--directory", server.directory.path])
            #expect(result.status == 0)
            let set = try await entry("text set", reports, number + 1)
            #expect(set.metadata["program"] == "sharedmem" && set.metadata["user"] == "\(geteuid())")
            #expect(set.metadata["bytes"] == "\(text.count)" && set.metadata["changes"] == "1")
            #expect(set.metadata["version"] == "\(try server.segment().version)")
        }
        // What the server sets itself is not logged again.
        #expect(try server.set("five").status == 204)
        let third = try await entry("text set", reports, 3)
        #expect(third.metadata["program"] == nil && third.metadata["client"] == "127.0.0.1")
    }

    @Test("Above the level info, changes are not logged")
    func level() throws {
        let reports = Reports()
        let server = try TestServer {
            $0.logger = reports.logger
            $0.logger.logLevel = .notice
        }
        #expect(try server.set("quiet").status == 204)
        #expect(reports.entries.isEmpty)
    }

    // MARK: Requests

    @Test("With an access log, each request is logged, whatever the level")
    func access() async throws {
        let reports = Reports()
        let server = try TestServer(capacity: 10) {
            $0.logger = reports.logger
            $0.logger.logLevel = .error
            $0.logsAccess = true
        }
        let stream = try server.connect()
        for (method, target, fields, body, status, bytes) in [
            ("PUT", "/shared", [], "hello", 204, "0"), ("GET", "/shared", [], nil, 200, "5"),
            ("HEAD", "/shared", [], nil, 200, "0"), ("GET", "/shared", ["If-None-Match: *"], nil, 304, "0"),
            ("GET", "/sh%61red?secret=1", [], nil, 200, "5"), ("BREW", "/", [], nil, 501, nil),
            ("PUT", "/shared", [], "longer than ten", 413, nil), ("GET", "/livez", ["X-Request-ID: 7"], nil, 200, "6"),
        ] as [(String, String, [String], String?, Int, String?)] {
            let count = reports.entries.count
            let response = try server.request(method, target, fields, body: body.map { Array($0.utf8) })
            #expect(response.status == status)
            let logged = try await entry("request", reports, count + 1).metadata
            #expect(logged["method"] == (method == "BREW" ? "other" : method) && logged["status"] == "\(status)")
            #expect(logged["target"] == (target.hasPrefix("/sh%61") ? "/shared" : target))
            #expect(logged["client"] == "127.0.0.1" && Double(logged["milliseconds"] ?? "") != nil)
            if let bytes { #expect(logged["bytes"] == bytes, "\(method) \(target)") }
            if !fields.filter({ $0.hasPrefix("X-") }).isEmpty { #expect(logged["request_id"] == "7") }
        }
        let count = reports.entries.count
        try stream.requestEvents()
        #expect(try await entry("request", reports, count + 1).metadata["status"] == "200")
    }

    @Test("A request's id comes back with every kind of response")
    func requestID() throws {
        let server = try TestServer(capacity: 10) { $0.isDynamic = true }
        let id = "X-Request-ID: 7c1d-ä".replacing("-ä", with: "/\"{}")
        let value = String(id.dropFirst("X-Request-ID: ".count))
        for (method, target, fields, body, status) in [
            ("GET", "/shared", [], nil, 200), ("HEAD", "/shared", [], nil, 200), ("PUT", "/shared", [], "x", 204),
            ("GET", "/shared", ["If-None-Match: *"], nil, 304), ("GET", "/nothing", [], nil, 404),
            ("PUT", "/shared/new", [], "x", 201), ("GET", "/shared/", [], nil, 200), ("GET", "/metrics", [], nil, 200),
            ("PUT", "/shared", [], "longer than ten", 413), ("GET", "/shared", ["Host: again"], nil, 400),
            ("OPTIONS", "/shared", [], nil, 204), ("GET", "/shared", ["Accept: text/event-stream"], nil, 200),
            ("GET", "/openapi.yaml", [], nil, 200), ("GET", "/livez", [], nil, 200),
        ] as [(String, String, [String], String?, Int)] {
            let response = try server.request(method, target, fields + [id], body: body.map { Array($0.utf8) })
            #expect(response.status == status && response["X-Request-ID"] == value, "\(method) \(target)")
        }
        // Nor does a later request on the connection get the id of an earlier one, or the response lose anything else.
        let client = try server.connect()
        let first = try client.request("GET", "/shared", [id])
        let second = try client.request("GET", "/shared")
        #expect(first["X-Request-ID"] == value && second["X-Request-ID"] == nil)
        #expect(first.body == second.body && first["ETag"] == second["ETag"] && first["Vary"] == second["Vary"])
        for invalid in ["X-Request-ID: a b", "X-Request-ID: \(String(repeating: "x", count: 129))", "X-Request-ID: "] {
            #expect(try server.request("GET", "/shared", [invalid])["X-Request-ID"] == nil)
        }
    }

    // MARK: Behind a proxy

    @Test(
        "The client is the last address that no trusted proxy has, by X-Forwarded-For or Forwarded",
        arguments: [
            (["127.0.0.1"], "X-Forwarded-For: 192.0.2.7", "192.0.2.7"),
            (["127.0.0.0/8"], "X-Forwarded-For: 203.0.113.9, 192.0.2.7:4711", "192.0.2.7"),
            (["127.0.0.1", "192.0.2.0/24"], "X-Forwarded-For: 203.0.113.9, 192.0.2.7", "203.0.113.9"),
            (["127.0.0.1"], "Forwarded: for=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
            (["127.0.0.1"], "Forwarded: proto=http;For=192.0.2.7, for=198.51.100.3", "198.51.100.3"),
            (["127.0.0.1", "198.51.100.0/24"], "Forwarded: for=192.0.2.7, for=198.51.100.3", "192.0.2.7"),
            (["127.0.0.1"], "X-Forwarded-For: unknown", "127.0.0.1"),
            (["127.0.0.1"], "Forwarded: for=_hidden", "127.0.0.1"),
            (["127.0.0.1"], "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7", "192.0.2.7"),
            // One of them may be the client's own, whichever comes last.
            (["127.0.0.1"], "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=203.0.113.9", "127.0.0.1"),
            (["127.0.0.1"], "Forwarded: for=203.0.113.9\r\nX-Forwarded-For: 192.0.2.7", "127.0.0.1"),
            ([], "X-Forwarded-For: 192.0.2.7", "127.0.0.1"),
            (["10.0.0.0/8", "::1", "unix"], "X-Forwarded-For: 192.0.2.7", "127.0.0.1"),
        ])
    func trustedProxy(_ proxies: [String], _ field: String, _ client: String) async throws {
        let reports = Reports()
        let server = try TestServer {
            $0.logger = reports.logger
            $0.trustedProxies = proxies
        }
        #expect(try server.set("x", [field]).status == 204)
        #expect(try await entry("text set", reports).metadata["client"] == client)
    }

    @Test("A proxy that is not an address is refused", arguments: ["proxy", "10.0.0.0/33", "10.0.0.0/", "", "::/129"])
    func invalidProxy(_ text: String) {
        #expect(throws: ServerError.self) { try TestServer { $0.trustedProxies = [text] } }
    }

    // MARK: Other origins

    @Test("Without --cors-origin, no response is for a page of another site")
    func noCORS() throws {
        let server = try TestServer()
        for (method, fields) in [
            ("GET", ["Origin: https://a.example"]),
            ("OPTIONS", ["Origin: https://a.example", "Access-Control-Request-Method: PUT"]),
        ] {
            let response = try server.request(method, "/shared", fields)
            #expect(response.fields.allSatisfy { !$0.name.hasPrefix("Access-Control") })
            #expect(response.fields.filter { $0.name == "Vary" && $0.value == "Origin" }.isEmpty)
        }
    }

    @Test(
        "With --cors-origin, pages of that site may use the server, and others may not",
        arguments: ["https://a.example", "*"])
    func crossOrigin(_ allowed: String) throws {
        let server = try TestServer {
            $0.crossOrigins = [allowed]
            $0.tokens = [try AccessToken(TestServer.token)]
        }
        let preflight = try server.request(
            "OPTIONS", "/shared", ["Origin: https://a.example", "Access-Control-Request-Method: PUT"])
        #expect(preflight.status == 204)
        #expect(preflight["Access-Control-Allow-Origin"] == "https://a.example")
        #expect(preflight["Access-Control-Allow-Methods"]?.contains("PUT") == true)
        #expect(preflight["Access-Control-Allow-Headers"]?.contains("Authorization") == true)
        for (fields, status) in [
            ([TestServer.bearer], 200), ([], 401), ([TestServer.bearer, "Accept: text/event-stream"], 200),
        ] {
            let response = try server.request("GET", "/shared", ["Origin: https://a.example"] + fields)
            #expect(response.status == status && response["Access-Control-Allow-Origin"] == "https://a.example")
            #expect(response["Access-Control-Expose-Headers"]?.contains("ETag") == true)
            #expect(response.fields.contains { $0.name == "Vary" && $0.value == "Origin" })
        }
        let other = try server.request(
            "OPTIONS", "/shared", ["Origin: https://b.example", "Access-Control-Request-Method: PUT"])
        #expect((other["Access-Control-Allow-Origin"] != nil) == (allowed == "*"))
        #expect(other.status == (allowed == "*" ? 204 : 401))
        // A page that asks for itself needs nothing of this.
        #expect(try server.request("GET", "/shared", [TestServer.bearer])["Access-Control-Allow-Origin"] == nil)
    }

    @Test("What is not an origin is refused", arguments: ["a.example", "https://a.example/", "https://", "", "//a"])
    func invalidOrigin(_ text: String) {
        #expect(throws: ServerError.self) { try TestServer { $0.crossOrigins = [text] } }
    }
}
