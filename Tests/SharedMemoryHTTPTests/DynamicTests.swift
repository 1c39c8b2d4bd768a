import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Segments that come and go: `serve --dynamic`.
@Suite("Dynamic segments", .fewAtATime)
struct DynamicTests {
    static func server(
        capacity: Int? = nil, _ configure: (inout ServerConfiguration) throws -> Void = { _ in }
    ) throws -> TestServer {
        try TestServer(capacity: capacity) {
            $0.isDynamic = true
            try configure(&$0)
        }
    }

    private func names(_ server: TestServer) throws -> Set<String> {
        try Set(Segment.list(directory: server.directory.path))
    }

    // MARK: Creating

    @Test("PUT creates a segment that does not exist, and other processes can use it")
    func creates() throws {
        let server = try Self.server(capacity: 100)
        let response = try server.request("PUT", "/shared/flags", body: Array("on".utf8))
        #expect(response.status == 201)
        #expect(response["Location"] == "/shared/flags")
        let segment = try server.segment("flags")
        let version = try segment.version
        #expect(try segment.get() == "on" && version.number == 1 && segment.capacity == 100)
        #expect(response["ETag"] == "\"\(version)\"")
        let read = try server.request("GET", "/shared/flags")
        #expect(read.status == 200 && read.text == "on" && read["ETag"] == response["ETag"])
        #expect(try server.request("PUT", "/shared/flags", body: Array("off".utf8)).status == 204)
        #expect(try segment.get() == "off")
    }

    @Test("With If-None-Match: *, PUT only creates; with If-Match, it only replaces")
    func conditions() throws {
        let server = try Self.server()
        #expect(try server.request("PUT", "/shared/a", ["If-Match: *"], body: [0x61]).status == 412)
        #expect(try server.request("PUT", "/shared/a", ["If-None-Match: x"], body: [0x61]).status == 400)
        #expect(try names(server) == ["text"])
        #expect(try server.request("PUT", "/shared/a", ["If-None-Match: *"], body: [0x61]).status == 201)
        #expect(try server.request("PUT", "/shared/a", ["If-None-Match: *"], body: [0x62]).status == 412)
        #expect(try server.request("PUT", "/shared/a", ["If-Match: *"], body: [0x63]).status == 204)
        #expect(try server.segment("a").get() == "c")
    }

    @Test("Of many clients that create the same segment at once, one does")
    func race() async throws {
        let server = try Self.server { $0.threadCount = 2 }
        for round in 0..<20 {
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for client in 0..<8 {
                    group.addTask {
                        try server.request(
                            "PUT", "/shared/r\(round)", ["If-None-Match: *"], body: Array("\(client)".utf8)
                        ).status
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.sorted() == [201] + [Int](repeating: 412, count: 7))
            #expect(try server.segment("r\(round)").version.number == 1)
        }
    }

    @Test("What cannot be text creates nothing")
    func badText() throws {
        let server = try Self.server(capacity: 10)
        #expect(try server.request("PUT", "/shared/a", body: [0xff]).status == 400)
        #expect(try server.request("PUT", "/shared/a", body: [0]).status == 400)
        #expect(try server.request("PUT", "/shared/a", body: [UInt8](repeating: 0x61, count: 11)).status == 413)
        #expect(try server.request("PUT", "/shared/a", ["Content-Encoding: gzip"], body: [0x61]).status == 415)
        let client = try server.connect()
        try client.sendRequest("PUT", "/shared/a", ["Transfer-Encoding: chunked"])
        try client.send("b\r\nlonger text\r\n0\r\n\r\n")
        #expect(try client.response().status == 413)
        #expect(try names(server) == ["text"])
    }

    @Test("A name that cannot be served is 404", arguments: [".hidden", "a%20b", "a%2Fb", "other", "app-"])
    func invalidNames(_ name: String) throws {
        let server = try TestServer(segments: ["app-text"]) { ($0.isDynamic, $0.namePattern) = (true, "app-?*") }
        let response = try server.request("PUT", "/shared/\(name)", body: [0x61])
        #expect(response.status == 404)
        #expect((response.problem["detail"] as? String)?.contains("--name-pattern") == true)
        _ = try server.segment("other").set("not for clients")
        #expect(try server.request("GET", "/shared/other").status == 404)
        #expect(try server.request("PUT", "/shared/app-1", body: [0x61]).status == 201)
        #expect(try server.request("GET", "/shared/").text.contains("other") == false)
    }

    @Test("Beyond --max-segments, nothing is created, and what others create is not served")
    func limit() throws {
        let reports = Reports()
        let server = try Self.server {
            $0.segmentLimit = 2
            $0.logger = reports.logger
        }
        #expect(try server.request("PUT", "/shared/a", body: [0x61]).status == 201)
        let refused = try server.request("PUT", "/shared/b", body: [0x61])
        #expect(refused.status == 507 && refused.problem["title"] as? String == "No memory left")
        #expect(try names(server) == ["a", "text"])
        for name in ["b", "c"] {
            try Segment.attach(name, AttachmentOptions(lifetime: .persistent, directory: server.directory.path)).set(
                "x")
            #expect(try server.request("GET", "/shared/\(name)").status == 404)
        }
        #expect(reports.entries.count { $0.message.contains("--max-segments") } == 1)
        #expect(try server.request("DELETE", "/shared/a").status == 204)
        #expect(try server.request("GET", "/shared/c").text == "x")
    }

    @Test("A read-only server creates and deletes nothing")
    func readOnly() throws {
        let server = try Self.server { $0.isReadOnly = true }
        for (method, target) in [("PUT", "/shared/a"), ("PUT", "/shared/text"), ("DELETE", "/shared/text")] {
            let response = try server.request(method, target, body: method == "PUT" ? [0x61] : nil)
            #expect(response.status == 405 && response["Allow"] == "GET, HEAD, OPTIONS")
        }
        #expect(try names(server) == ["text"])
    }

    // MARK: Deleting

    @Test("DELETE removes a segment if its conditions hold")
    func deletes() throws {
        let server = try Self.server()
        #expect(try server.request("DELETE", "/shared/a").status == 404)
        #expect(try server.request("DELETE", "/shared/a", ["If-Match: *"]).status == 412)
        let tag = try #require(try server.request("PUT", "/shared/a", body: [0x61])["ETag"])
        let attached = try server.segment("a")
        #expect(try server.request("DELETE", "/shared/a", ["If-Match: \"x\""]).status == 412)
        #expect(try server.request("DELETE", "/shared/a", ["If-None-Match: \(tag)"]).status == 412)
        #expect(try server.request("DELETE", "/shared/a", ["If-Match: x"]).status == 400)
        #expect(try server.request("GET", "/shared/a").status == 200)
        #expect(try server.request("DELETE", "/shared/a", ["If-Match: \(tag)"]).status == 204)
        #expect(try attached.isUnlinked)
        #expect(try names(server) == ["text"])
        #expect(try server.request("GET", "/shared/a").status == 404)
        #expect(try server.request("PUT", "/shared/a", body: [0x62]).status == 201)
        #expect(try server.request("GET", "/shared/a")["ETag"] != tag)
    }

    @Test("The first segment, at /shared, can be deleted and created again like any other")
    func first() throws {
        let server = try Self.server()
        #expect(try server.request("DELETE", "/shared").status == 204)
        #expect(try server.request("GET", "/shared").status == 404)
        #expect(try server.request("GET", "/readyz").status == 200)
        #expect(try server.request("PUT", "/shared", body: [0x61]).status == 201)
        #expect(try server.request("GET", "/shared/text").text == "a")
    }

    @Test(
        "When a segment is removed, streams end with an event that says so, and polls get 404",
        arguments: ["DELETE", "unlink"])
    func subscribers(_ how: String) throws {
        let server = try Self.server()
        let tag = try #require(try server.request("PUT", "/shared/a", body: [0x61])["ETag"])
        let stream = try EventStream(server.connect(), "/shared/a")
        #expect(try stream.next()?.text == "a")
        let other = try EventStream(server.connect(), "/shared/text")
        #expect(try other.next()?.text == "")
        let poll = try server.connect()
        try poll.sendRequest("GET", "/shared/a", ["If-None-Match: \(tag)", "Prefer: wait=60"])
        if how == "DELETE" {
            #expect(try server.request("DELETE", "/shared/a").status == 204)
        } else {
            try Segment.unlink("a", directory: server.directory.path)
        }
        let last = try #require(try stream.next())
        #expect(last.name == "removed" && last.text == "{\"name\":\"a\"}")
        #expect(try stream.next() == nil && stream.isWhole)
        #expect(try poll.response().status == 404)
        // The others go on.
        try server.segment().set("still")
        #expect(try other.next()?.text == "still")
        #expect(try EventStream(server.connect(), "/shared/a").response.status == 404)
    }

    // MARK: Local processes

    @Test("What local processes create, set and remove is served at once")
    func localProcesses() throws {
        let server = try Self.server()
        for round in 0..<50 {
            let segment = try Segment.attach("local\(round % 3)", AttachmentOptions(directory: server.directory.path))
            try segment.set("\(round)")
            let answer = try server.request("GET", "/shared/local\(round % 3)")
            #expect(answer.text == "\(round)", "\(answer.status)")
            try Segment.unlink("local\(round % 3)", directory: server.directory.path)
        }
    }

    @Test("What is no segment is not served, and hinders nothing")
    func foreignFiles() throws {
        let server = try Self.server()
        let path = server.directory.path
        try Data("not a segment".utf8).write(to: URL(fileURLWithPath: "\(path)/foreign.sharedmem"))
        try Data().write(to: URL(fileURLWithPath: "\(path)/.hidden.sharedmem"))
        try FileManager.default.createDirectory(atPath: "\(path)/folder.sharedmem", withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: "\(path)/link.sharedmem", withDestinationPath: "\(path)/text.sharedmem")
        for name in ["foreign", "folder", "link"] {
            #expect(try server.request("GET", "/shared/\(name)").status == 500, "\(name)")
        }
        #expect(try Listed.names(server) == ["text"])
        #expect(try server.request("PUT", "/shared/a", body: [0x61]).status == 201)
    }

    @Test("Many more segments than the server attaches at a time are all served, with few descriptors")
    func many() throws {
        let server = try Self.server(capacity: 100)
        let before = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        let client = try server.connect()
        for number in 0..<700 {
            #expect(try client.request("PUT", "/shared/s\(number)", body: Array("\(number)".utf8)).status == 201)
        }
        let stream = try EventStream(server.connect(), "/shared/s0")
        #expect(try stream.next()?.text == "0")
        for _ in 0..<2 {
            for number in 0..<700 { #expect(try client.request("GET", "/shared/s\(number)").text == "\(number)") }
        }
        // Two for each of at most 256, and some that other tests open in the same process.
        let after = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        #expect(after - before < 2 * 256 + 300)
        #expect(try Listed.names(server).count == 701)
        #expect(try client.request("PUT", "/shared/s0", body: Array("new".utf8)).status == 204)
        #expect(try stream.next()?.text == "new")
    }
}
