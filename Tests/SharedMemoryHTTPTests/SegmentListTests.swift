import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// An entry of the list of segments.
struct Listed: Decodable, Equatable {
    struct Setter: Decodable, Equatable {
        let program: String
        let processID: Int
        let user: UInt32
    }

    let name: String
    let version: String
    let bytes: Int
    let capacity: Int
    let changed: String?
    let setBy: Setter?
    let href: String

    private struct List: Decodable { let segments: [Listed] }

    static func decode(_ json: [UInt8]) throws -> [Listed] {
        try JSONDecoder().decode(List.self, from: Data(json)).segments
    }

    static func names(_ server: TestServer, _ fields: [String] = []) throws -> [String] {
        try decode(server.request("GET", "/shared/", fields).body).map(\.name)
    }
}

/// `GET /shared/`: which segments there are, and what has become of them.
@Suite("List of segments", .fewAtATime)
struct SegmentListTests {
    @Test("The list describes each segment, sorted by name", arguments: ["/shared/", "/"])
    func content(_ target: String) throws {
        let server = try TestServer(segments: ["text", "b", "a-1"], capacity: 100)
        let version = try server.segment("b").set("zwölf")
        let response = try server.request("GET", target, ["Accept: application/json"])
        #expect(response.status == 200 && response["Content-Type"] == "application/json")
        let list = try Listed.decode(response.body)
        #expect(list.map(\.name) == ["a-1", "b", "text"])
        #expect(list.map(\.href) == ["/shared/a-1", "/shared/b", "/shared/text"])
        #expect(list.map(\.capacity) == [100, 100, 100])
        #expect(list[1].version == "\(version)" && list[1].bytes == 6)
        #expect(list[1].setBy?.processID == Int(getpid()) && list[1].setBy?.user == geteuid())
        #expect(list[0].changed == nil && list[0].setBy == nil && list[0].bytes == 0)
        let date = try Date(
            #require(list[1].changed), strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let set = try server.segment("b").snapshot().publicationTime.nanosecondsSince1970
        #expect(abs(date.timeIntervalSince1970 - Double(set) / 1e9) < 0.002)
        #expect(try server.request("HEAD", target)["ETag"] == response["ETag"])
        #expect(try server.request("GET", target, ["Accept: */*"]).body == response.body)
    }

    @Test("The program that set the text is quoted as JSON requires")
    func programName() async throws {
        let server = try TestServer()
        let program = "\(server.directory.path)/a\"\\\u{1}\u{7f}ü"
        try FileManager.default.createSymbolicLink(
            atPath: program, withDestinationPath: ChildProcess.product("sharedmem"))
        let result = try await ChildProcess.run(
            program, ["set", "text", "--text", "x", "--directory", server.directory.path])
        #expect(result.status == 0)
        let list = try Listed.decode(server.request("GET", "/shared/").body)
        #expect(list.first?.setBy?.program == "a\"\\\u{1}\u{7f}ü")
    }

    @Test("The list has a weak tag, which each change of a segment changes")
    func tag() throws {
        let server = try TestServer { $0.isDynamic = true }
        let client = try server.connect()
        var tag = try #require(try client.request("GET", "/shared/")["ETag"])
        #expect(tag.hasPrefix("W/\""))
        func hasChanged() throws -> Bool {
            let response = try client.request("GET", "/shared/", ["If-None-Match: \(tag)"])
            tag = try #require(response["ETag"])
            return response.status == 200
        }
        #expect(try !hasChanged())
        try server.segment().set("one")
        #expect(try hasChanged())
        #expect(try !hasChanged())
        #expect(try client.request("PUT", "/shared/a", body: []).status == 201)
        #expect(try hasChanged())
        #expect(try client.request("DELETE", "/shared/a").status == 204)
        #expect(try hasChanged())
        #expect(try !hasChanged())
    }

    @Test("A token sees the segments that it is for")
    func tokens() throws {
        let server = try TestServer(segments: ["text", "app-1", "app-2", "b"]) {
            $0.tokens = [
                try AccessToken("of-everything-there-is", role: .read),
                try AccessToken("of-some-of-the-segments", role: .read, segments: ["app-*", "b"]),
                try AccessToken("of-none-of-the-segments", role: .read, segments: ["x"]),
            ]
        }
        func names(_ token: String) throws -> [String] { try Listed.names(server, ["Authorization: Bearer \(token)"]) }
        #expect(try server.request("GET", "/shared/").status == 401)
        #expect(try server.request("GET", "/").status == 401)
        #expect(try names("of-everything-there-is") == ["app-1", "app-2", "b", "text"])
        #expect(try names("of-some-of-the-segments") == ["app-1", "app-2", "b"])
        #expect(try names("of-none-of-the-segments") == [])
        // Nor does the answer to a wrong name tell of others.
        let response = try server.request("GET", "/shared/app-3", ["Authorization: Bearer of-some-of-the-segments"])
        let detail = try #require(response.problem["detail"] as? String)
        #expect(response.status == 404 && detail.contains("serves app-1, app-2, b.") && detail.contains("--dynamic"))
    }

    // MARK: The stream

    private func events(_ server: TestServer, _ fields: [String] = []) throws -> EventStream {
        let stream = try EventStream(server.connect(), "/shared/", fields)
        #expect(stream.response.status == 200)
        return stream
    }

    private func next(_ stream: EventStream) throws -> (name: String, segment: String) {
        let event = try #require(try stream.next())
        struct Name: Decodable { let name: String }
        return (event.name, try JSONDecoder().decode(Name.self, from: Data(event.data)).name)
    }

    @Test("A stream begins with the list, and tells what is created, changed and removed, by whatever interface")
    func stream() throws {
        let server = try TestServer { $0.isDynamic = true }
        let stream = try events(server)
        let first = try #require(try stream.next())
        #expect(first.name == "list")
        #expect(try Listed.decode(first.data).map(\.name) == ["text"])
        #expect(try server.request("PUT", "/shared/a", body: [0x61]).status == 201)
        #expect(try next(stream) == ("created", "a"))
        let local = try Segment.attach("local", AttachmentOptions(directory: server.directory.path))
        #expect(try next(stream) == ("created", "local"))
        let version = try local.set("set")
        let changed = try #require(try stream.next())
        #expect(changed.name == "changed")
        #expect(try JSONDecoder().decode(Listed.self, from: Data(changed.data)).version == "\(version)")
        #expect(try server.request("DELETE", "/shared/a").status == 204)
        #expect(try next(stream) == ("removed", "a"))
        try Segment.unlink("local", directory: server.directory.path)
        #expect(try next(stream) == ("removed", "local"))
        // A second subscriber begins with the list as it is.
        #expect(try Listed.decode(#require(try events(server).next()).data).map(\.name) == ["text"])
    }

    @Test("A stream tells a token of nothing but its segments")
    func filteredStream() throws {
        let server = try TestServer {
            $0.isDynamic = true
            $0.tokens = [
                try AccessToken("of-an-administrator", role: .admin),
                try AccessToken("of-some-of-the-segments", role: .read, segments: ["app-*"]),
            ]
        }
        let stream = try events(server, ["Authorization: Bearer of-some-of-the-segments"])
        #expect(try Listed.decode(#require(try stream.next()).data).isEmpty)
        for name in ["b", "app-1", "c", "app-2"] {
            let response = try server.request(
                "PUT", "/shared/\(name)", ["Authorization: Bearer of-an-administrator"], body: [0x61])
            #expect(response.status == 201)
        }
        #expect(try next(stream) == ("created", "app-1"))
        #expect(try next(stream) == ("created", "app-2"))
    }

    @Test("A slow reader of the stream gets the latest state of each segment, and misses no segment")
    func slowReader() throws {
        let server = try TestServer { $0.isDynamic = true }
        let client = try server.connect()
        client.readLittle()
        let stream = try EventStream(client, "/shared/")
        #expect(try stream.next()?.name == "list")
        let writer = try server.connect()
        for round in 1...20 {
            for number in 0..<100 {
                let response = try writer.request("PUT", "/shared/s\(number)", body: Array("\(round)".utf8))
                #expect([201, 204].contains(response.status))
            }
        }
        #expect(try writer.request("DELETE", "/shared/s0").status == 204)
        let expected = try Dictionary(
            uniqueKeysWithValues: Listed.decode(server.request("GET", "/shared/").body).map { ($0.name, $0.version) })
        var known = ["text": expected["text"]]
        var seen: Set<String> = []
        while !seen.contains("removed") || known != expected.mapValues(Optional.some) {
            let event = try #require(try stream.next())
            seen.insert(event.name)
            if event.name == "removed" {
                known["s0"] = nil
            } else {
                let listed = try JSONDecoder().decode(Listed.self, from: Data(event.data))
                known[listed.name] = listed.version
            }
        }
    }

    @Test("A stream of the list ends properly when the server stops")
    func shutdown() throws {
        let server = try TestServer()
        let stream = try events(server)
        #expect(try stream.next()?.name == "list")
        server.server.stop()
        #expect(try stream.next() == nil && stream.isWhole)
    }
}
