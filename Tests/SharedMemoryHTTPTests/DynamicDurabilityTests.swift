import Foundation
import SharedMemory
import SharedMemoryHTTP
import SharedMemoryKeep
import TestSupport
import TestTraits
import Testing

/// What a server with `--dynamic --keep` keeps, restores and removes.
@Suite("A directory's texts on disk", .fewAtATime)
struct DynamicDurabilityTests {
    let disk: TemporaryDirectory

    init() throws { disk = try TemporaryDirectory(under: "/var/tmp") }

    /// A server of a new directory, as after a reboot.
    func server(
        sync: Bool = false, versions: Int = 1, limit: Int = 100, intervalMilliseconds: Int = 50,
        _ configure: (inout ServerConfiguration) throws -> Void = { _ in }
    ) throws -> TestServer {
        try TestServer(capacity: 10_000) {
            $0.isDynamic = true
            $0.segmentLimit = limit
            $0.keepDirectory = disk.path
            $0.keepsBeforeAnswering = sync
            $0.keptVersionCount = versions
            $0.keepIntervalMilliseconds = intervalMilliseconds
            try configure(&$0)
        }
    }

    func kept(_ name: String) throws -> [KeptVersion] { try Archive.survey(name, DiskStorage(disk.path)) { _, _ in } }

    func put(_ name: String, _ text: String, _ server: TestServer) throws -> RawResponse {
        try server.request("PUT", "/shared/\(name)", body: Array(text.utf8))
    }

    func version(_ answer: RawResponse) throws -> Version {
        let tag = try #require(answer["ETag"])
        return try #require(Version(String(tag.dropFirst().dropLast())))
    }

    /// A segment that a local process has created, with the libraries' default lifetime.
    func local(_ name: String, _ text: String, _ server: TestServer) throws -> Segment {
        let segment = try server.segment(name)
        try segment.set(text)
        return segment
    }

    func eventuallyKept(_ version: Version, _ name: String) async throws {
        try await eventually("\(version) of '\(name)' on disk", within: 20) {
            try kept(name).last?.version == version ? () : nil
        }
    }

    func eventuallyGone(_ name: String) async throws {
        try await eventually("nothing of '\(name)' on disk", within: 20) { try kept(name).isEmpty ? () : nil }
    }

    func unlink(_ name: String, _ server: TestServer) throws {
        try Segment.unlink(name, directory: server.directory.path)
    }

    // MARK: Keeping

    @Test(
        "With --keep-sync, the PUT that creates a segment is answered when its text is on disk, and so is each other one"
    )
    func creating() throws {
        let server = try server(sync: true, intervalMilliseconds: 1_000_000)
        for (number, status) in [(1, 201), (2, 204), (3, 204)] {
            let answer = try put("a", "text \(number)", server)
            #expect(answer.status == status && answer["Location"] == (status == 201 ? "/shared/a" : nil))
            #expect(try kept("a").map(\.version) == [version(answer)])
        }
        #expect(try server.request("PUT", "/shared/b", ["If-Match: *"], body: [0x61]).status == 412)
        #expect(try server.request("PUT", "/shared/b", body: [0xff]).status == 400)
        #expect(try disk.names.filter { $0.hasPrefix("b@") } == [])
    }

    @Test("What local processes create and set is kept, however many segments there are, and outlives them")
    func localProcesses() async throws {
        let server = try server(limit: 1000)
        let count = ServedDirectoryLimits.attachmentLimit + 50
        var versions: [Version] = []
        for number in 0..<count {
            let segment = try local("s\(number)", "first \(number)", server)
            // The ones that no process is attached to any more would have ended with it.
            try await eventually("the first text of s\(number)", within: 20) {
                try kept("s\(number)").last?.version.number == 1 ? () : nil
            }
            if number == 0 { #expect(try Segment.info("s0", directory: server.directory.path).lifetime == .persistent) }
            versions.append(try segment.version)
        }
        for number in [0, 7, count - 1] {
            let version = try server.segment("s\(number)").set("second \(number)")
            #expect(version.instance == versions[number].instance, "the segment has outlived its process")
            try await eventuallyKept(version, "s\(number)")
        }
    }

    @Test("What was there at the start is kept, too")
    func existing() async throws {
        let first = try TestServer(capacity: 10_000) { $0.isDynamic = true }
        let version = try version(put("a", "old", first))
        first.server.stop()
        let server = try server { $0.directory = first.directory.path }
        defer { server.server.stop() }
        try await eventuallyKept(version, "a")
    }

    @Test("Names that do not match are not kept, and what is kept of them stays")
    func pattern() async throws {
        var server = try self.server(sync: true)
        for name in ["app-1", "other"] { #expect(try put(name, name, server).status == 201) }
        server.server.stop()
        server = try TestServer(segments: ["app-0"]) {
            ($0.isDynamic, $0.namePattern, $0.keepDirectory) = (true, "app-*", disk.path)
        }
        let now = server
        #expect(try now.request("GET", "/shared/app-1").text == "app-1")
        #expect(try Segment.list(directory: now.directory.path) == ["app-0", "app-1"])
        _ = try local("another", "not for this server", now)
        try await eventuallyKept(try now.segment("app-1").set("again"), "app-1")
        now.server.stop()
        #expect(try kept("other").count == 1 && kept("another").isEmpty)
    }

    @Test("Each kept version is at its own URL, and a server that stops brings the newest to disk")
    func versions() throws {
        let server = try server(sync: true, versions: 3)
        let tags = try (1...3).map { "\(try version(put("a", "text \($0)", server)))" }
        for (number, tag) in tags.enumerated() {
            let answer = try server.request("GET", "/shared/a?version=\(tag)")
            #expect(answer.text == "text \(number + 1)")
            #expect(answer["Link"]?.contains(number == 0 ? "-" : tags[number - 1]) == (number == 0 ? nil : true))
        }
        let last = try local("b", "just before the end", server)
        server.server.stop()
        #expect(try kept("b").last?.version == last.version)
    }

    // MARK: Restoring

    @Test("After a reboot, all segments are restored before the first request is answered")
    func restored() throws {
        let names = (0..<30).map { "s\($0)" }
        var server = try self.server(sync: true, versions: 2)
        var old: [String: String] = [:]
        for name in names {
            _ = try put(name, "before", server)
            old[name] = try put(name, "text of \(name)", server)["ETag"]
        }
        server.server.stop()
        server = try self.server(sync: true, versions: 2)
        let now = server
        for name in names.reversed() {
            let answer = try now.request("GET", "/shared/\(name)")
            #expect(answer.text == "text of \(name)" && answer["ETag"] != old[name])
        }
        #expect(try now.request("PUT", "/shared/s1", ["If-Match: \(old["s1"]!)"], body: []).status == 412)
        // The history goes on from the version that was current before.
        let next = try put("s1", "next", now)
        #expect(next.status == 204)
        #expect(try now.request("GET", "/shared/s1")["Link"]?.contains("version=") == true)
    }

    @Test("A damaged file is set aside with a report, and the other segments are served")
    func damaged() throws {
        var server = try self.server(sync: true)
        for name in ["a", "b", "c"] { _ = try put(name, name, server) }
        server.server.stop()
        let path = "\(disk.path)/\(try #require(try kept("b").last).fileName)"
        try Data("junk".utf8).write(to: URL(fileURLWithPath: path))
        let reports = Reports()
        server = try self.server(sync: true) { $0.logger = reports.logger }
        let now = server
        #expect(try now.request("GET", "/shared/a").text == "a" && now.request("GET", "/shared/c").text == "c")
        #expect(try now.request("GET", "/shared/b").status == 404)
        #expect(FileManager.default.fileExists(atPath: path + ".damaged"))
        #expect(reports.entries.count { $0.message.contains("is damaged") } == 1)
        #expect(try put("b", "new", now).status == 201)
    }

    @Test("More kept segments than --max-segments keep the server from starting, and nothing is lost")
    func tooMany() throws {
        var server = try self.server(sync: true)
        for number in 0..<5 { _ = try put("s\(number)", "\(number)", server) }
        server.server.stop()
        let files = try disk.names
        // The one that the server is started with counts.
        let error = ServerError.cannotKeep(
            reason: "\(KeepError.tooMany(count: 6, limit: 5, path: disk.path))")
        #expect(throws: error) { _ = try self.server(limit: 5) }
        #expect(try disk.names == files)
        server = try self.server(limit: 6)
        for number in 0..<5 { #expect(try server.request("GET", "/shared/s\(number)").text == "\(number)") }
    }

    @Test("Kept segments are served before others, if a directory has too many")
    func keptFirst() throws {
        var server = try self.server(sync: true)
        _ = try put("z", "kept", server)
        server.server.stop()
        let plain = try TestServer(capacity: 10_000) { $0.isDynamic = true }
        for name in ["a", "b"] { _ = try put(name, name, plain) }
        plain.server.stop()
        server = try self.server(limit: 2) { $0.directory = plain.directory.path }
        #expect(try server.request("GET", "/shared/z").text == "kept")
        server.server.stop()
    }

    @Test("A directory of texts belongs to one dynamic server, or to servers of different segments")
    func exclusive() throws {
        let error = ServerError.cannotKeep(reason: "\(KeepError.directoryInUse(path: disk.path))")
        func named() throws -> TestServer { try TestServer { $0.keepDirectory = disk.path } }
        let dynamic = try server()
        #expect(throws: error) { _ = try server() }
        #expect(throws: error) { _ = try named() }
        dynamic.server.stop()
        let other = try named()
        #expect(throws: error) { _ = try server() }
        other.server.stop()
        _ = try server()
    }

    // MARK: Removing

    @Test("DELETE is answered when the text is gone from the disk, with all its versions", arguments: [1, 3])
    func deleting(_ versions: Int) throws {
        let server = try server(sync: true, versions: versions)
        for number in 1...3 { _ = try put("a", "\(number)", server) }
        _ = try put("b", "stays", server)
        #expect(try server.request("DELETE", "/shared/a", ["If-Match: \"x\""]).status == 412)
        #expect(try kept("a").count == versions)
        #expect(try server.request("DELETE", "/shared/a").status == 204)
        #expect(try kept("a").isEmpty && kept("b").count == 1)
        server.server.stop()
        let next = try self.server()
        #expect(try next.request("GET", "/shared/a").status == 404)
        #expect(try next.request("GET", "/shared/b").text == "stays")
    }

    @Test("Without --keep-sync, DELETE removes the text soon, and a server that stops has removed it")
    func deletingLater() async throws {
        let server = try server()
        for name in ["a", "b"] {
            try await eventuallyKept(try version(put(name, name, server)), name)
        }
        #expect(try server.request("DELETE", "/shared/a").status == 204)
        try await eventuallyGone("a")
        #expect(try server.request("DELETE", "/shared/b").status == 204)
        server.server.stop()
        #expect(try kept("b").isEmpty)
    }

    @Test("When a local process unlinks a segment, its text goes, even if the server stops just then")
    func unlinked() async throws {
        let server = try server(sync: true)
        for name in ["a", "b"] { _ = try put(name, name, server) }
        try unlink("a", server)
        try await eventuallyGone("a")
        try unlink("b", server)
        server.server.stop()
        #expect(try kept("b").isEmpty)
    }

    @Test("When a segment's file vanishes in another way, its text stays, and the next start restores it")
    func vanished() async throws {
        var server = try self.server(sync: true)
        _ = try put("a", "precious", server)
        try FileManager.default.removeItem(atPath: "\(server.directory.path)/a.sharedmem")
        try await eventually("the server's notice") {
            try server.request("GET", "/shared/a").status == 404 ? () : nil
        }
        // As long as it could still be found to have been unlinked.
        server.server.stop()
        #expect(try kept("a").count == 1)
        server = try self.server()
        #expect(try server.request("GET", "/shared/a").text == "precious")
    }

    @Test(
        "A segment that is created again has a history of its own",
        arguments: ["DELETE", "unlink", "rm"])
    func again(_ how: String) async throws {
        let server = try server(sync: true, versions: 5)
        var old: [String] = []
        for number in 1...3 {
            old.append("\(try version(put("a", "old \(number)", server)))")
        }
        switch how {
        case "DELETE": #expect(try server.request("DELETE", "/shared/a").status == 204)
        case "unlink": try unlink("a", server)
        default: try FileManager.default.removeItem(atPath: "\(server.directory.path)/a.sharedmem")
        }
        // Through whatever interface, at once.
        let segment = try local("a", "new 1", server)
        let first = try segment.version
        var tag = ""
        try await eventually("the new segment", within: 20) {
            let answer = try put("a", "new 2", server)
            tag = answer["ETag"] ?? ""
            return answer.status == 204 && tag.hasPrefix("\"\(first)".prefix(17)) ? () : nil
        }
        try await eventually("the new history alone", within: 20) {
            try kept("a").allSatisfy { $0.version.instance == first.instance } && !kept("a").isEmpty ? () : nil
        }
        for version in old { #expect(try server.request("GET", "/shared/a?version=\(version)").status == 404) }
        let answer = try server.request("GET", "/shared/a")
        #expect(answer["ETag"] == tag && answer["Link"].map { link in old.contains { link.contains($0) } } != true)
        server.server.stop()
        let next = try self.server(versions: 5)
        #expect(try next.request("GET", "/shared/a").text == "new 2")
    }

    @Test("Segments that are created and deleted again and again leave nothing behind")
    func comingAndGoing() async throws {
        let server = try server(sync: true)
        let client = try server.connect()
        for round in 0..<60 {
            let target = "/shared/s\(round % 2)"
            #expect(try client.request("PUT", target, body: Array("\(round)".utf8)).status == 201)
            #expect(try client.request("GET", target).text == "\(round)")
            #expect(try client.request("DELETE", target).status == 204)
        }
        #expect(try disk.names.filter { $0.hasSuffix(".kept") } == [])
        server.server.stop()
        #expect(try disk.names == [".lock"])
    }

    @Test("A disk that refuses keeps the answers of creating and deleting honest, and is tried again")
    func outage() async throws {
        let server = try server(sync: true)
        _ = try put("a", "a", server)
        let elsewhere = "\(disk.path)-elsewhere"
        try FileManager.default.moveItem(atPath: disk.path, toPath: elsewhere)
        let created = try put("b", "b", server)
        #expect(try created.status == 507 && version(created) == server.segment("b").version)
        let deleted = try server.request("DELETE", "/shared/a")
        #expect(deleted.status == 507 && (deleted.problem["detail"] as? String)?.contains("still on disk") == true)
        #expect(try server.request("GET", "/shared/a").status == 404)
        try FileManager.default.moveItem(atPath: elsewhere, toPath: disk.path)
        try await eventuallyGone("a")
        try await eventuallyKept(try server.segment("b").version, "b")
    }
}

/// What the server's own limits are, for tests that go beyond them.
private enum ServedDirectoryLimits {
    static let attachmentLimit = 256
}
