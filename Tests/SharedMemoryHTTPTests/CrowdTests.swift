import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// More clients than the server accepts, and clients that abort, against a server in a process of its own.
@Suite("Crowds", .fewAtATime, .enabled("needs 4,096 descriptors") { Descriptors.raiseLimit() })
struct CrowdTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Starts a server.
    ///
    /// - Parameter before: shell commands that run before it.
    func start(_ options: String, before: String = "true") async throws -> (ChildProcess, ListenAddress) {
        let script = "\(before); exec \"$0\" serve text --listen 127.0.0.1:0 --directory \"$1\" --grace 60 \(options)"
        let server = try ChildProcess("sh", ["-c", script, ChildProcess.product("sharedmem"), directory.path])
        let url = try await server.line(beginning: "listening on http://")
        return (server, try #require(ListenAddress(String(url.prefix { $0 != "/" }))))
    }

    func descriptorCount(_ server: ChildProcess) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server.processID)/fd").count
    }

    @Test("Among 2,000 silent connections, an honest client is served; beyond the limit, it waits for one to close")
    func idle() async throws {
        let (server, address) = try await start("--connections 2001 --header-timeout 600", before: "ulimit -Sn 256")
        var idle = try (0..<2000).map { _ in try RawClient(address) }
        try await eventually("2,000 connections") { try descriptorCount(server) > 2000 ? () : nil }
        #expect(try RawClient(address).request("PUT", body: Array("x".utf8)).status == 204)
        let last = try await eventually("the place of the previous client") { () -> RawClient? in
            let client = try RawClient(address)
            return (try? client.request().status) == 200 ? client : nil
        }
        let waiting = try RawClient(address)
        try waiting.send("GET /shared HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(try last.request().text == "x")
        idle.removeLast()
        #expect(try waiting.response().text == "x")
        idle = []
        try await eventually("the end of all connections") { try descriptorCount(server) < 100 ? () : nil }
    }

    /// Regression: libmicrohttpd takes 128 events at a time.
    ///
    /// When exactly as many were due, its own threads waited for another one before they served any, and all clients
    /// waited with them.
    @Test(
        "Requests that arrive all at once are all answered, however many they are",
        arguments: [127, 128, 256, 384], ["1", "2"])
    func allAtOnce(_ count: Int, _ threads: String) async throws {
        let (server, address) = try await start("--threads \(threads)")
        let clients = try (0..<count).map { _ in try RawClient(address) }
        for client in clients { #expect(try client.request().status == 200) }
        for _ in 0..<3 {
            // When the stopped server continues, it finds all requests waiting.
            server.send(SIGSTOP)
            for client in clients { try client.send("GET /shared HTTP/1.1\r\nHost: localhost\r\n\r\n") }
            server.send(SIGCONT)
            for client in clients { try #require(try client.response().status == 200) }
        }
    }

    @Test("Silent connections time out and make room for others")
    func timedOut() async throws {
        let (server, address) = try await start("--connections 50 --header-timeout 1")
        let idle = try (0..<100).map { _ in try RawClient(address) }
        let honest = try RawClient(address)
        #expect(try honest.request().status == 200)
        for client in idle { #expect(client.isEnded()) }
        withExtendedLifetime(server) {}
    }

    @Test("A single address cannot take all connections")
    func perAddress() async throws {
        let (server, address) = try await start("--connections 50 --connections-per-client 5")
        guard case .tcp(_, let port) = address else { return }
        let taken = try (0..<5).map { _ in try RawClient(address) }
        for client in taken { #expect(try client.request().status == 200) }
        #expect(try RawClient(address).isEnded())
        let other = try RawClient(.tcp(host: "127.0.0.1", port: port), from: "127.0.0.2")
        #expect(try other.request().status == 200)
        withExtendedLifetime(server) {}
    }

    @Test("A thousand clients that abort in mid-body leave nothing behind and delay no stop")
    func resets() async throws {
        let (server, address) = try await start("--body-timeout 600")
        #expect(try RawClient(address).request("PUT", body: Array("before".utf8)).status == 204)
        let before = try descriptorCount(server)
        for round in 0..<1000 {
            let client = try RawClient(address)
            let framing = round.isMultiple(of: 2) ? "Content-Length: 100" : "Transfer-Encoding: chunked"
            try client.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\n\(framing)\r\n\r\n40\r\nhalf")
            if round.isMultiple(of: 3) { client.reset() }
        }
        try await eventually("as few descriptors as before") { try descriptorCount(server) <= before ? () : nil }
        #expect(try RawClient(address).request().text == "before")
        server.send(SIGTERM)
        #expect(try await server.finish(within: 40).status == 0)
    }
}

enum Descriptors {
    /// Returns false if the system permits this process too few descriptors.
    static func raiseLimit() -> Bool {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_max >= 4096 else { return false }
        limit.rlim_cur = limit.rlim_max
        return setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
    }
}
