import Foundation
import Synchronization
import TestSupport

/// A service on a socket of its own.
struct Server: Sendable {
    let process: ChildProcess
    let socketPath: String
    /// Nil for one on a socket in the file system alone.
    var port: UInt16?

    func listening() async throws { _ = try await process.line(beginning: "listening on ") }

    func connect() async throws -> RawClient {
        try await eventually("a connection to the server") {
            (try? RawClient(socketPath: socketPath))
        }
    }

    /// How many files and connections it has open.
    func descriptorCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.processID)/fd").count
    }
}

/// The servers of a text that run at present, for clients that go from one to the next.
final class Servers: Sendable {
    private let running = Mutex<[Server]>([])

    func add(_ server: Server) { running.withLock { $0.append(server) } }

    func remove(_ server: Server) { running.withLock { $0.removeAll { $0.process === server.process } } }

    /// One of them, more likely the newest than each other; nil while there is none.
    func choose(_ random: inout SplitMix) -> Server? {
        let servers = running.withLock { $0 }
        return Bool.random(using: &random) ? servers.last : servers.randomElement(using: &random)
    }
}

/// A server that was not killed, when nobody watches any more.
struct Rest {
    let server: Server
    /// How many watchers it takes.
    let limit: Int
    /// How many descriptors it had before there were clients.
    let descriptorCount: Int

    /// Holds nothing of those who were there, has all places free, and ends those who take them as it promises.
    func check() async throws {
        _ = try await eventually("the end of all connections", within: 10) {
            try server.descriptorCount() == descriptorCount ? () : nil
        }
        let answer = try RawClient(socketPath: server.socketPath).request()
        try expect(answer.status == 200, "nobody watches any more, but: \(answer)")
        let streams = try (0..<limit).map { _ in try stream() }
        for (index, stream) in streams.enumerated() {
            try expect(stream.response.status == 200, "place \(index) of \(limit) is lost: \(stream.response)")
            try expect(try stream.next() != nil, "no event")
        }
        let status = try stream().response.status
        try expect(status == 503, "one watcher more than may be: \(status)")
        server.process.send(SIGTERM)
        for stream in streams {
            try expect(try stream.next() == nil && stream.isWhole, "a stream is cut off by a server that stops")
        }
        let end = try await server.process.finish()
        try expect(end.status == 0, "the server: \(end)")
    }

    private func stream() throws -> EventStream { try EventStream(RawClient(socketPath: server.socketPath)) }
}
