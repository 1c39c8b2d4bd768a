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
        #expect(try slow.response().status == 204)
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

    @Test("Servers that start and stop leave nothing behind")
    func leavesNothing() throws {
        func descriptorCount() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter { name in
                let path = "/proc/self/fd/\(name)"
                let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? ""
                return target.contains(marker)
            }.count
        }
        let directory = try TemporaryDirectory()
        let marker = directory.path
        for _ in 0..<20 {
            let server = try TestServer { $0.directory = directory.path }
            let client = try server.connect()
            #expect(try client.request("PUT", body: [0x61]).status == 204)
            #expect(try descriptorCount() > 0)
        }
        #expect(try descriptorCount() == 0)
        #expect(try Segment.info("text", directory: directory.path).attached.isEmpty)
    }
}
