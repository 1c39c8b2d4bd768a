import Foundation
import SharedMemory
import SharedMemoryHTTP
import Synchronization
import TestSupport
import TestTraits
import Testing

/// A server that starts: it serves once all of its addresses are bound, or leaves nothing behind.
@Suite("Start", .fewAtATime)
struct StartTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    func socket(_ name: String) -> String { "\(directory.path)/\(name)" }

    /// Starts a server in a thread of its own, at two sockets.
    func start() -> StartedServer {
        StartedServer {
            $0.directory = directory.path
            $0.listen = [.unix(path: socket("a")), .unix(path: socket("b"))]
        }
    }

    /// A process that has stopped while removing a segment: a server can bind its addresses, but not attach the segment.
    func processRemovingSegment() async throws -> ChildProcess {
        let process = try ChildProcess.probe(
            .set("removed"), directory, environment: ["SHAREDMEM_PAUSE_AT": "detachFoundNobody"])
        try await process.stopped()
        return process
    }

    @Test("Requests that arrive while the server starts are served once it has started")
    func requestsDuringStart() async throws {
        // The server tries to attach for a second. On a busy machine, this test may take longer than that: then again.
        for _ in 0..<20 where try await servesRequestsDuringStart() { return }
        Issue.record("no server started")
    }

    /// Returns false if the segment could not be attached in time, so that the server did not start.
    private func servesRequestsDuringStart() async throws -> Bool {
        let obstacle = try await processRemovingSegment()
        let start = start()
        guard
            let reader = try? await eventually(
                "the first socket", within: 1, { try? RawClient(socketPath: socket("a")) }),
            let subscriber = try? RawClient(socketPath: socket("b"))
        else {
            obstacle.kill()
            _ = try? await start.result()
            return false
        }
        // The sockets accept connections; the server does not serve them yet.
        try? reader.sendRequest("GET")
        try? subscriber.requestEvents()
        reader.waitAtMost(milliseconds: 100)
        let early = try? reader.response()
        obstacle.kill()
        _ = try await obstacle.finish()
        guard let server = try? await start.result() else { return false }
        #expect(early == nil)
        reader.waitAtMost(milliseconds: 10_000)
        #expect(try reader.response().text == "")
        let response = try subscriber.response()
        #expect(try EventStream(subscriber, response: response).next()?.text == "")
        server.server.stop()
        return true
    }

    @Test("Connections to a server that fails to start end without a response")
    func failureDuringStart() async throws {
        let obstacle = try await processRemovingSegment()
        // On a busy machine, the server may have failed before this test connects: then again.
        for _ in 0..<20 {
            let start = start()
            let reader = try? await eventually("a socket", within: 1) { try? RawClient(socketPath: socket("a")) }
            try? reader?.sendRequest("GET")
            await #expect(throws: ServerError.self) { try await start.result() }
            for name in ["a", "b"] { #expect(!FileManager.default.fileExists(atPath: socket(name)), "\(name)") }
            if let reader {
                #expect(reader.isEnded())
                return obstacle.kill()
            }
        }
        Issue.record("no connection during a start")
    }

    @Test("A server whose second address cannot be bound leaves nothing behind")
    func secondAddress() throws {
        let other = try TestServer { $0.listen = [.unix(path: socket("b"))] }
        #expect(throws: ServerError.self) {
            try TestServer {
                $0.directory = directory.path
                $0.listen = [.unix(path: socket("a")), .unix(path: socket("b"))]
            }
        }
        #expect(!FileManager.default.fileExists(atPath: socket("a")))
        #expect(!FileManager.default.fileExists(atPath: directory.path(of: "text")))
        #expect(try other.request().status == 200)
    }

    @Test(
        "A server with too few descriptors for its second address exits in order, even with a subscriber at the first")
    func tooFewDescriptors() async throws {
        let paths = ["a", "b"].map(socket)
        var failureCount = 0
        // From too few descriptors for one address to enough for both.
        for limit in stride(from: 40, through: 100, by: 4) {
            let server = try ChildProcess(
                "prlimit",
                [
                    "--nofile=\(limit):\(limit)", ChildProcess.product("sharedmem"), "serve", "text", "--directory",
                    directory.path, "--threads", "16", "--grace", "0",
                ] + paths.flatMap { ["--listen", "unix:\($0)"] })
            let client = try? await eventually("a socket", within: 0.5) { try? RawClient(socketPath: paths[0]) }
            try? client?.sendRequest("GET", "/shared", ["Accept: text/event-stream"])
            usleep(200_000)
            server.send(SIGTERM)
            let end = try await server.finish()
            #expect(!end.wasKilled || end.status == SIGTERM, "\(limit): \(end.errors)")
            if end.status == 1 { failureCount += 1 }
        }
        #expect(failureCount > 0)
    }
}

/// A server that starts in a thread of its own.
final class StartedServer: Sendable {
    private let outcome = Outcome()

    private final class Outcome: Sendable {
        let value = Mutex<Result<TestServer, any Error>?>(nil)
    }

    init(_ configure: @escaping @Sendable (inout ServerConfiguration) -> Void) {
        Thread.detachNewThread { [outcome] in
            let result = Result { try TestServer(configure) }
            outcome.value.withLock { $0 = result }
        }
    }

    /// Waits for the end of the start.
    func result() async throws -> TestServer {
        try await eventually("the end of the start") { outcome.value.withLock { $0 } }.get()
    }
}
