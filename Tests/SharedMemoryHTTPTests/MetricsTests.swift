import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// `GET /metrics`, as prometheus_client reads it.
@Suite("Metrics", .fewAtATime)
struct MetricsTests {
    static let openMetrics = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5"

    /// Reads a page as strictly as the library can, and returns each sample by its name and its labels.
    static func parse(_ page: RawResponse) async throws -> [String: Double] {
        let isOpen = page["Content-Type"]?.hasPrefix("application/openmetrics-text") == true
        let module = isOpen ? "prometheus_client.openmetrics.parser" : "prometheus_client.parser"
        let script = """
            import json, sys
            from \(module) import text_string_to_metric_families as read
            samples = {}
            for family in read(sys.stdin.read()):
                assert family.documentation and family.type != "unknown", family
                for sample in family.samples:
                    labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                    key = sample.name + (f"{{{labels}}}" if labels else "")
                    assert key not in samples, key
                    samples[key] = sample.value
            json.dump(samples, sys.stdout)
            """
        let result = try await ChildProcess.run("python3", ["-c", script], input: Data(page.body))
        try #require(result.status == 0, "\(result.errors)")
        return try JSONDecoder().decode([String: Double].self, from: result.output)
    }

    static func metrics(_ server: TestServer, _ fields: [String] = [openMetrics]) async throws -> [String: Double] {
        let page = try server.request("GET", "/metrics", fields)
        try #require(page.status == 200)
        return try await parse(page)
    }

    /// Waits until a sample has a value, for a minute at most.
    static func await(_ name: String, _ value: Double, _ server: TestServer) async throws {
        let _: Bool = try await eventually("\(name) \(value)") {
            let label = name.replacing("=", with: "=\"").replacing(",", with: "\",").replacing("}", with: "\"}")
            return try server.request("GET", "/metrics").text.contains("\n\(label) \(Int(value))\n") ? true : nil
        }
    }

    @Test(
        "The page is OpenMetrics for a client that asks for it, and else Prometheus's own format, with the same content"
    )
    func formats() async throws {
        let server = try TestServer()
        let open = try server.request("GET", "/metrics", [Self.openMetrics])
        #expect(open["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
        #expect(open.text.hasSuffix("\n# EOF\n"))
        let plain = try server.request("GET", "/metrics")
        #expect(plain["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(plain["Cache-Control"] == "no-store" && plain["Vary"] == "Accept, Authorization")
        for accept in [
            "text/plain", "*/*", "application/openmetrics-text;q=0.1,text/plain", "application/openmetrics-text;q=0",
        ] {
            #expect(
                try server.request("GET", "/metrics", ["Accept: \(accept)"])["Content-Type"] == plain["Content-Type"])
        }
        let names = try await (Self.parse(open).keys, Self.parse(plain).keys)
        // The second page counts the request for the first.
        #expect(Set(names.1).subtracting(names.0) == ["sharedmem_requests_total{method=GET,route=/metrics,status=200}"])
        #expect(Set(names.0).subtracting(names.1).isEmpty)
        #expect(try server.request("HEAD", "/metrics").body.isEmpty)
        #expect(try server.request("PUT", "/metrics", body: []).status == 405)
    }

    @Test("Requests are counted by method, route and status, whatever clients send")
    func requests() async throws {
        let server = try TestServer(capacity: 10)
        let client = try server.connect()
        var expected: [String: Double] = [:]
        func expect(_ method: String, _ route: String, _ status: Int) {
            expected["sharedmem_requests_total{method=\(method),route=\(route),status=\(status)}", default: 0] += 1
        }
        let tag = try #require(try client.request("GET", "/shared")["ETag"])
        expect("GET", "/shared/{name}", 200)
        for (method, target, fields, body, route, status) in [
            ("PUT", "/shared", [], "one", "/shared/{name}", 204),
            ("PUT", "/shared/text", [], "two", "/shared/{name}", 204),
            ("PUT", "/shared", ["If-Match: \(tag)"], "three", "/shared/{name}", 412),
            ("PUT", "/shared", [], "longer than ten", "/shared/{name}", 413),
            ("PUT", "/shared/nobody", [], "", "/shared/{name}", 404),
            ("GET", "/shared/nobody", [], nil, "/shared/{name}", 404),
            ("GET", "/shared", ["If-None-Match: *"], nil, "/shared/{name}", 304),
            ("HEAD", "/shared", [], nil, "/shared/{name}", 200),
            ("OPTIONS", "/shared", [], nil, "/shared/{name}", 204),
            ("DELETE", "/shared", [], nil, "/shared/{name}", 405),
            ("GET", "/shared/", [], nil, "/shared/", 200), ("GET", "/livez", [], nil, "/livez", 200),
            ("GET", "/readyz", [], nil, "/readyz", 200), ("GET", "/openapi.yaml", [], nil, "/openapi.yaml", 200),
            ("GET", "/a", [], nil, "other", 404), ("GET", "/b", [], nil, "other", 404),
            ("OPTIONS", "*", [], nil, "other", 204),
            ("POST", "/shared", [], nil, "/shared/{name}", 405), ("BREW", "/shared", [], nil, "/shared/{name}", 501),
            ("GET", "/shared", ["Host: again"], nil, "other", 400),
        ] as [(String, String, [String], String?, String, Int)] {
            let response = try server.request(method, target, fields, body: body.map { Array($0.utf8) })
            #expect(response.status == status, "\(method) \(target)")
            expect(["POST", "BREW"].contains(method) ? "other" : method, route, status)
        }
        let chunked = try server.connect()
        try chunked.sendRequest("PUT", "/shared", ["Transfer-Encoding: chunked"])
        try chunked.send("f\r\nlonger than ten\r\n0\r\n\r\n")
        #expect(try chunked.response().status == 413)
        expect("PUT", "/shared/{name}", 413)
        let stream = try EventStream(server.connect())
        #expect(try stream.next()?.text == "two")
        expect("GET", "/shared/{name}", 200)
        let counted = try await Self.metrics(server).filter { $0.key.hasPrefix("sharedmem_requests_total") }
        #expect(counted == expected)
    }

    @Test("Bytes, durations, subscribers and connections are what the test caused")
    func traffic() async throws {
        let server = try TestServer()
        let client = try server.connect()
        #expect(try client.request("PUT", "/shared", body: Array("twelve bytes".utf8)).status == 204)
        for _ in 0..<3 { #expect(try client.request("GET").text == "twelve bytes") }
        #expect(try client.request("HEAD").status == 200)
        let version = try server.segment().version
        #expect(try client.request("GET", "/shared", ["If-None-Match: \"\(version)\""]).status == 304)
        let problem = try client.request("GET", "/nothing")
        #expect(problem.status == 404)
        let stream = try EventStream(server.connect())
        #expect(try stream.next()?.text == "twelve bytes")
        let event = "id: \(version)\ndata: twelve bytes\n\n"
        let list = try EventStream(server.connect(), "/shared/")
        #expect(try list.next()?.name == "list")
        let json = try server.request("GET", "/shared/").body
        let listEvent = "event: list\ndata: \(String(decoding: json.dropLast(), as: UTF8.self))\n\n"

        // The hub counts the poll after it has counted what it sent before the poll came.
        let poll = try server.connect()
        try poll.sendRequest("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=60"])
        var metrics: [String: Double] = [:]
        var (pages, pageByteCount) = (0.0, 0)
        for _ in 0..<1000 {
            let page = try server.request("GET", "/metrics", [Self.openMetrics])
            metrics = try await Self.parse(page)
            if metrics["sharedmem_polls{segment=text}"] == 1 { break }
            pages += 1
            pageByteCount += page.body.count
        }
        #expect(metrics["sharedmem_received_bytes_total"] == 12)
        #expect(metrics["sharedmem_subscribers{segment=text}"] == 1)
        #expect(metrics["sharedmem_list_subscribers"] == 1)
        #expect(metrics["sharedmem_subscribers_dropped_total"] == 0)
        // The client, the stream, the poll, the list's stream, and the request for the page.
        #expect(try #require(metrics["sharedmem_connections"]) >= 5)
        // Requests that have been answered in full; the stream, the poll and this page are not among them.
        #expect(metrics["sharedmem_request_duration_seconds_count"] == 8 + pages)
        #expect(metrics["sharedmem_request_duration_seconds_bucket{le=+Inf}"] == 8 + pages)
        let sent = 3 * 12 + problem.body.count + event.utf8.count + listEvent.utf8.count + json.count + pageByteCount
        #expect(metrics["sharedmem_sent_bytes_total"] == Double(sent))
        #expect(try client.request("PUT", "/shared", body: []).status == 204)
        #expect(try poll.response().status == 200)
        try await Self.await("sharedmem_polls{segment=text}", 0, server)
    }

    @Test("Segments are described as they are, whatever process has set them")
    func segments() async throws {
        let server = try TestServer(segments: ["text", "b"], capacity: 100) { $0.isDynamic = true }
        let segment = try server.segment("b")
        let version = try segment.set("zwölf")
        #expect(try server.request("PUT", "/shared/b", ["If-Match: \"x\""], body: []).status == 412)
        #expect(try server.request("PUT", "/shared/c", body: [0x61]).status == 201)
        for name in ["c", "text"] { #expect(try server.request("GET", "/shared/\(name)").status == 200) }
        var reader = try segment.makeReader()
        try reader.withText { _ in }
        let instance = "\(version)".prefix(16)
        let metrics = try await Self.metrics(server)
        #expect(metrics["sharedmem_segment_version{instance=\(instance),segment=b}"] == 1)
        for (name, value) in [
            ("publications_total", 1), ("bytes", 6), ("capacity_bytes", 100), ("conflicts_total", 1), ("pins", 1),
            ("attached", 1),
            ("changed_timestamp_seconds", Double(try segment.snapshot().publicationTime.nanosecondsSince1970) / 1e9),
        ] {
            let found = try #require(metrics["sharedmem_segment_\(name){segment=b}"], "\(name)")
            #expect(abs(found - value) < 1e-3, "\(name)")
        }
        #expect(metrics["sharedmem_segment_changed_timestamp_seconds{segment=text}"] == 0)
        #expect(metrics["sharedmem_segment_bytes{segment=c}"] == 1)
        let info = try Segment.info("b", directory: server.directory.path)
        #expect(metrics["sharedmem_segment_memory_bytes{segment=b}"] == Double(info.memoryByteCount))
        #expect(try #require(metrics["sharedmem_tmpfs_free_bytes"]) > 0)
        #expect(metrics.keys.contains { $0.hasPrefix("sharedmem_build_info{version=") })
        #expect(try #require(metrics["process_open_fds"]) > 3)
        #expect(try #require(metrics["process_start_time_seconds"]) <= Date().timeIntervalSince1970)
        #expect(try server.request("DELETE", "/shared/c").status == 204)
        #expect(try await Self.metrics(server).keys.allSatisfy { !$0.contains("segment=c") })
    }

    @Test("A segment that was replaced behind the server's back is described as it is now")
    func replaced() async throws {
        let server = try TestServer()
        try Segment.unlink("text", directory: server.directory.path)
        let segment = try server.segment()
        let version = try segment.set("new")
        let key = "sharedmem_segment_version{segment=text,instance=\("\(version)".prefix(16))}"
        try await Self.await(key, 1, server)
        #expect(try Listed.decode(server.request("GET", "/shared/").body).first?.version == "\(version)")
    }

    @Test("A scrape of a dynamic server is about the segments that requests have used, and attaches to no others")
    func dynamic() async throws {
        let server = try TestServer(capacity: 100) { $0.isDynamic = true }
        let names = (0..<50).map { "s\($0)" }
        let options = AttachmentOptions(lifetime: .persistent, capacity: 100, directory: server.directory.path)
        for name in names { try Segment.attach(name, options).set(name) }
        #expect(try server.request("GET", "/shared/s7").text == "s7")
        for _ in 0..<2 {
            let metrics = try await Self.metrics(server)
            let described = metrics.keys.filter { $0.hasPrefix("sharedmem_segment_bytes{") }
            #expect(described == ["sharedmem_segment_bytes{segment=s7}"])
            #expect(metrics["sharedmem_segment_attached{segment=s7}"] == 1)
            #expect(metrics["sharedmem_subscribers{segment=s7}"] == 0)
        }
        #expect(
            try names.filter { try Segment.info($0, directory: server.directory.path).attachmentCount != 0 } == ["s7"])
    }

    @Test("A subscriber that does not read is counted when it is dropped")
    func dropped() async throws {
        let server = try TestServer { $0.sendSeconds = 1 }
        try server.segment().set(String(repeating: "x", count: 512 << 10))
        let client = try server.connect()
        client.readLittle()
        try client.requestEvents()
        try await Self.await("sharedmem_subscribers_dropped_total", 1, server)
    }

    @Test("A token sees the metrics of its segments")
    func tokens() async throws {
        let server = try TestServer(segments: ["text", "app-1"]) {
            $0.tokens = [
                try AccessToken("of-an-administrator", role: .admin),
                try AccessToken("of-some-of-the-segments", role: .read, segments: ["app-*"]),
            ]
        }
        #expect(try server.request("GET", "/metrics").status == 401)
        let all = try await Self.metrics(server, ["Authorization: Bearer of-an-administrator"])
        #expect(all.keys.contains { $0.contains("segment=text") } && all.keys.contains { $0.contains("segment=app-1") })
        let some = try await Self.metrics(server, ["Authorization: Bearer of-some-of-the-segments"])
        #expect(
            some.keys.allSatisfy { !$0.contains("segment=text") } && some.keys.contains { $0.contains("segment=app-1") }
        )
    }
}
