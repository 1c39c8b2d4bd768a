import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("Long poll", .fewAtATime)
struct LongPollTests {
    @Test("A poll is held until the text changes, whichever interface sets it", arguments: ["GET", "HEAD"])
    func held(_ method: String) async throws {
        let server = try TestServer()
        let segment = try server.segment()
        for round in 0..<6 {
            let known = try segment.set("known")
            let client = try server.connect()
            try client.sendRequest(method, "/shared", ["If-None-Match: \"\(known)\"", "Prefer: wait=60"])
            _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
            if round % 2 == 0 { try segment.set("round \(round)") } else { _ = try server.set("round \(round)") }
            let response = try client.response(to: method)
            #expect(response.status == 200)
            #expect(response["ETag"] == "\"\(try segment.version)\"")
            #expect(response["Preference-Applied"] == "wait=60")
            #expect(response["Vary"] == "Accept")
            #expect(response["Content-Length"] == "7")
            #expect(response.text == (method == "HEAD" ? "" : "round \(round)"))
            // The connection stays open.
            #expect(try client.request().text == "round \(round)")
        }
    }

    @Test("A poll right after a change is held too, even with other subscribers")
    func beginsAfterChange() throws {
        let server = try TestServer()
        let stream = try EventStream(server.connect())
        let client = try server.connect()
        for round in 0..<300 {
            let known = try #require(server.set("known \(round)")["ETag"])
            try client.sendRequest("GET", "/shared", ["If-None-Match: \(known)", "Prefer: wait=60"])
            _ = try server.set("current \(round)")
            try #require(try client.response().text == "current \(round)")
        }
        extendLifetime(stream)
    }

    @Test("A client that knows a version before the server has been notified of it waits for the next one")
    func beforeNotification() async throws {
        let server = try TestServer()
        let other = try server.connect()
        try other.sendRequest(
            "GET", "/shared", ["If-None-Match: \"\(try server.segment().version)\"", "Prefer: wait=60"])
        _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
        let writer = try await server.writerStoppedBeforeNotifying()
        let known = try server.segment().version
        let client = try server.connect()
        try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(known)\"", "Prefer: wait=60"])
        _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
        try server.segment().set("new")
        #expect(try client.response().text == "new")
        writer.kill()
    }

    @Test("A poll ends with 304 when its time is up, and not before")
    func timeIsUp() throws {
        let server = try TestServer {
            ($0.headSeconds, $0.bodySeconds, $0.sendSeconds, $0.idleSeconds) = (1, 1, 1, 1)
        }
        let version = try server.segment().set("same")
        let client = try server.connect()
        let start = ContinuousClock.now
        let response = try client.request("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=3"])
        #expect(ContinuousClock.now - start > .seconds(2.9))
        #expect(response.status == 304)
        #expect(response["ETag"] == "\"\(version)\"")
        #expect(response["Preference-Applied"] == "wait=3")
        #expect(try client.request().text == "same")
    }

    @Test(
        "A client with nothing to wait for is answered at once",
        arguments: [
            ("\"CURRENT\"", "wait=0", 304, false),
            ("\"CURRENT\"", "respond-async", 304, false), ("*", "wait=60", 304, true),
            ("\"other\"", "wait=60", 200, true), ("\"other\"", "wait=100000", 200, true),
            (nil, "wait=60", 200, false),
        ])
    func atOnce(_ tag: String?, _ preference: String, _ status: Int, _ isApplied: Bool) throws {
        let server = try TestServer()
        let version = try server.segment().set("text")
        var fields = ["Prefer: \(preference)"]
        if let tag { fields.append("If-None-Match: \(tag.replacingOccurrences(of: "CURRENT", with: "\(version)"))") }
        let response = try server.request("GET", "/shared", fields)
        #expect(response.status == status)
        let seconds = preference == "wait=100000" ? 300 : 60
        #expect(response["Preference-Applied"] == (isApplied ? "wait=\(seconds)" : nil))
    }

    @Test("A poll is held for no longer than the server allows, and then answered 304")
    func shortLimit() throws {
        let server = try TestServer { $0.maximumWaitSeconds = 1 }
        let version = try server.segment().set("text")
        let response = try server.request("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=9"])
        #expect(response.status == 304)
        #expect(response["Preference-Applied"] == "wait=1")
    }

    @Test(
        "Prefer is read in each of its forms",
        arguments: [
            ["Prefer: wait=1"], ["prefer: respond-async, WAIT=\"1\""], ["Prefer: a", "Prefer: wait=1"],
            ["Prefer: wait=1", "Prefer: wait=60"],
        ])
    func forms(_ fields: [String]) throws {
        let server = try TestServer()
        let version = try server.segment().set("text")
        let response = try server.request("GET", "/shared", fields + ["If-None-Match: \"a\", W/\"\(version)\""])
        #expect(response.status == 304)
        #expect(response["Preference-Applied"] == "wait=1")
    }

    @Test("A poll whose other conditions fail, or whose token is missing, is refused at once")
    func otherConditions() throws {
        let server = try TestServer { $0.tokens = [try AccessToken(TestServer.token)] }
        let version = try server.segment().set("text")
        let fields = ["If-None-Match: \"\(version)\"", "Prefer: wait=60", "If-Match: \"x\""]
        #expect(try server.request("GET", "/shared", fields).status == 401)
        #expect(try server.request("GET", "/shared", fields + [TestServer.bearer]).status == 412)
    }

    @Test("A request pipelined behind a poll is answered after it")
    func pipelined() async throws {
        let server = try TestServer()
        let segment = try server.segment()
        let version = try segment.set("known")
        let client = try server.connect()
        try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=60"])
        try client.sendRequest("GET", "/livez")
        _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
        try segment.set("next")
        #expect(try client.response().text == "next")
        #expect(try client.response().text == "alive\n")
    }

    @Test("A poll ends when the segment is unlinked, with the new segment's text")
    func unlinked() async throws {
        let server = try TestServer()
        let version = try server.segment().set("gone")
        let client = try server.connect()
        try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=60"])
        _ = try await eventually("the request under way") { try? Healthcheck.check(server.url) }
        try Segment.unlink("text", directory: server.directory.path)
        let response = try client.response()
        #expect(response.status == 200 && response.text == "")
        #expect(response["ETag"]?.hasSuffix("-0\"") == true)
    }

    @Test("A change that was made while the server was down ends the next poll at once")
    func restart() throws {
        let directory = try TemporaryDirectory()
        let first = try TestServer { $0.directory = directory.path }
        let tag = try #require(first.set("seen")["ETag"])
        first.server.stop()
        let second = try TestServer { $0.directory = directory.path }
        let fields = ["If-None-Match: \(tag)", "Prefer: wait=1"]
        #expect(try second.request("GET", "/shared", fields).status == 304)
        second.server.stop()
        try Segment.attach("text", AttachmentOptions(directory: directory.path)).set("missed")
        let third = try TestServer { $0.directory = directory.path }
        #expect(try third.request("GET", "/shared", fields).text == "missed")
    }

    @Test("A server that stops answers the polls it holds and ends their connections")
    func stopped() async throws {
        let server = try TestServer { $0.graceSeconds = 60 }
        let version = try server.segment().set("text")
        let clients = try (0..<200).map { _ in try server.connect() }
        for client in clients {
            try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=60"])
        }
        _ = try await eventually("the requests under way") { try? Healthcheck.check(server.url) }
        let start = ContinuousClock.now
        server.server.stop()
        #expect(ContinuousClock.now - start < .seconds(30))
        for client in clients {
            // A poll that is not held yet is answered or cut off as any request is.
            guard let response = try? client.response() else { continue }
            #expect(response.status == 304 || response.status == 503)
            #expect(client.isEnded())
        }
    }

    @Test("One poll beyond the limit gets 503 until another client leaves")
    func limit() async throws {
        let server = try TestServer { $0.watcherLimit = 1 }
        let version = try server.segment().set("text")
        let fields = ["If-None-Match: \"\(version)\"", "Prefer: wait=60"]
        var client: RawClient? = try server.connect()
        try client?.sendRequest("GET", "/shared", fields)
        let refused = try await eventually("a refusal") {
            let response = try server.request("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=1"])
            return response.status == 304 ? nil : response
        }
        #expect(refused.status == 503 && refused["Retry-After"] == "1")
        #expect(try server.request().status == 200)
        client = nil
        _ = try await eventually("room for another") {
            try server.request("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=1"]).status == 304
                ? true : nil
        }
    }

    @Test("A client that is answered can poll again at once, even if all places are taken")
    func placesAgain() throws {
        let server = try TestServer { $0.watcherLimit = 64 }
        let segment = try server.segment()
        var version = try segment.set("first")
        let clients = try (0..<64).map { _ in try server.connect() }
        func poll(_ client: RawClient) throws {
            try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=60"])
        }
        for client in clients { try poll(client) }
        for round in 0..<150 {
            version = try segment.set("\(round)")
            for client in clients {
                try #require(try client.response().status == 200)
                try poll(client)
            }
        }
    }

    @Test("One change answers hundreds of polls, while new ones arrive")
    func many() throws {
        let server = try TestServer()
        let segment = try server.segment()
        let clients = try (0..<300).map { _ in try server.connect() }
        for round in 0..<5 {
            let version = try segment.version
            for client in clients {
                try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(version)\"", "Prefer: wait=60"])
            }
            try segment.set("round \(round)")
            for client in clients { #expect(try client.response().text == "round \(round)") }
        }
    }
}
