import Foundation
import SharedMemory
import SharedMemoryHTTP
import Synchronization
import TestSupport
import TestTraits
import Testing

@Suite("Lifecycle", .fewAtATime)
struct LifecycleTests {
    @Test("A server that stops lets a slow PUT finish and accepts no other connection")
    func gracefulStop() async throws {
        let server = try TestServer { $0.graceSeconds = 60 }
        let slow = try server.connect()
        let idle = try server.connect()
        #expect(try idle.request().status == 200)
        try slow.send("PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsl")
        // The server must have the head before the stop begins.
        _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
        let hasStopped = Flag()
        // In a thread of its own: concurrent tests may occupy all threads of the task pool.
        Thread.detachNewThread {
            server.server.stop()
            hasStopped.raise()
        }
        _ = try await eventually("a refused connection") { (try? server.connect()) == nil ? true : nil }
        #expect(idle.isEnded(), "a proxy must not send its next request over it")
        try slow.send("ow")
        let response = try slow.response()
        #expect(response.status == 204 && response["Connection"] == "close")
        _ = try await eventually("the end of the stop") { hasStopped.isRaised ? true : nil }
        #expect(slow.isEnded())
        #expect(try server.segment().get() == "slow")
    }

    @Test("A request that does not finish within the grace period is cut off and sets nothing")
    func grace() async throws {
        let server = try TestServer { $0.graceSeconds = 0 }
        let stuck = try server.connect()
        try stuck.send("PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nst")
        _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
        server.server.stop()
        #expect(stuck.isEnded())
        #expect(try server.segment().version.number == 0)
        server.server.stop()
    }

    @Test("The text survives the server")
    func persistence() throws {
        let directory = try TemporaryDirectory()
        let server = try TestServer { $0.directory = directory.path }
        let tag = try server.set("stays")["ETag"]
        server.server.stop()
        let again = try TestServer { $0.directory = directory.path }
        let response = try again.request()
        #expect(response.text == "stays")
        #expect(response["ETag"] == tag)
    }

    @Test("After the segment is unlinked, the server soon serves a new one of the same name")
    func unlinked() async throws {
        let server = try TestServer()
        let tag = try server.set("gone")["ETag"]
        try Segment.unlink("text", directory: server.directory.path)
        let new = try await eventually("a new instance") {
            let response = try server.request()
            return response["ETag"] == tag ? nil : response
        }
        #expect(new.status == 200)
        #expect(new.body.isEmpty)
        #expect(new["ETag"]?.hasSuffix("-0\"") == true)
        #expect(try server.segment().version.description == new["ETag"]?.filter { $0 != "\"" })
        #expect(try server.set("x", ["If-Match: \(tag ?? "")"]).status == 412)
    }

    @Test("A PUT right after an unlink sets the new segment")
    func setAfterUnlink() throws {
        let server = try TestServer()
        for round in 0..<20 {
            #expect(try server.set("old").status == 204)
            try Segment.unlink("text", directory: server.directory.path)
            #expect(try server.set("new \(round)").status == 204)
            #expect(try server.segment().get() == "new \(round)")
        }
    }

    @Test("While the segment cannot be attached, requests for it are 503")
    func unattached() async throws {
        let server = try TestServer()
        try Segment.unlink("text", directory: server.directory.path)
        let path = server.directory.path(of: "text")
        try Data("not a segment".utf8).write(to: URL(fileURLWithPath: path))
        let refusal = try await eventually("a refusal") {
            let response = try server.request()
            return response.status == 200 ? nil : response
        }
        #expect(refusal.status == 503)
        #expect(refusal["Retry-After"] == "1")
        #expect(try server.set("x").status == 503)
        #expect(try server.request("GET", "/readyz").status == 503)
        #expect(try server.request("GET", "/livez").status == 200)
        try FileManager.default.removeItem(atPath: path)
        _ = try await eventually("a segment") { try server.request().status == 200 ? true : nil }
        #expect(try server.request("GET", "/readyz").status == 200)
        #expect(try server.set("x").status == 204)
    }

    @Test("Servers that start and stop leave nothing behind", arguments: ["plain", "dynamic", "keeping"])
    func leavesNothing(_ kind: String) throws {
        let directory = try TemporaryDirectory()
        let disk = try TemporaryDirectory()
        /// The descriptors and mappings of this process that lead to a file of the test.
        func openFiles() throws -> [String] {
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
                try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
            }
            let mappings = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n")
            return (descriptors + mappings.map(String.init)).filter {
                $0.contains(directory.path) || $0.contains(disk.path)
            }
        }
        for _ in 0..<2 {
            let server = try TestServer {
                $0.directory = directory.path
                $0.isDynamic = kind == "dynamic"
                if kind == "keeping" { $0.keepDirectory = disk.path }
            }
            let client = try server.connect()
            #expect(try client.request("PUT", body: [0x61]).status == 204)
            // What each kind of response holds ends with the server, too.
            let tag = try #require(try client.request()["ETag"])
            #expect(try client.request("HEAD").status == 200)
            #expect(try client.request("GET", "/shared", ["If-None-Match: \(tag)", "Prefer: wait=1"]).status == 304)
            #expect(try client.request("GET", "/shared?version=\(tag.dropFirst().dropLast())").status == 200)
            for target in ["/shared/", "/metrics"] { #expect(try client.request("GET", target).status == 200) }
            #expect(try EventStream(server.connect()).next()?.text == "a")
            #expect(try EventStream(server.connect(), "/shared/").next() != nil)
            #expect(try !openFiles().isEmpty)
        }
        #expect(try openFiles() == [])
        #expect(try Segment.info("text", directory: directory.path).attached.isEmpty)
    }
}
