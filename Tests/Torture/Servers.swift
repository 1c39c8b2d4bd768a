import Foundation
import Synchronization
import TestSupport

/// A running `sharedmem serve` with a Unix-domain socket of its own.
struct Server: Sendable {
    let process: ChildProcess
    let socketPath: String
    /// Nil for a server that listens on its socket only.
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

/// The running servers of one text, for clients that move from one to the next.
final class Servers: Sendable {
    private let running = Mutex<[Server]>([])

    func add(_ server: Server) { running.withLock { $0.append(server) } }

    func remove(_ server: Server) { running.withLock { $0.removeAll { $0.process === server.process } } }

    /// A random one, most likely the newest; nil while there is none.
    func choose(_ random: inout SplitMix) -> Server? {
        let servers = running.withLock { $0 }
        return Bool.random(using: &random) ? servers.last : servers.randomElement(using: &random)
    }
}

/// The server that runs for a whole round, once all its watchers have left.
struct ResidentServer {
    let server: Server
    /// How many watchers it admits.
    let limit: Int
    /// How many descriptors it had before it had clients.
    let descriptorCount: Int

    /// It has closed every connection, has all places free, and ends new streams properly when it stops.
    func check() async throws {
        _ = try await eventually("the end of all connections", within: 30) {
            try server.descriptorCount() == descriptorCount ? () : nil
        }
        let response = try RawClient(socketPath: server.socketPath).request()
        try expect(response.status == 200, "the last watcher has left, but GET returns \(response)")
        let streams = try (0..<limit).map { _ in try stream() }
        for (index, stream) in streams.enumerated() {
            try expect(stream.response.status == 200, "place \(index) of \(limit) is lost: \(stream.response)")
            try expect(try stream.next() != nil, "no event")
        }
        let extra = try stream().response
        try expect(extra.status == 200 && extra["Transfer-Encoding"] == nil, "one watcher too many gets \(extra)")
        server.process.send(SIGTERM)
        for stream in streams {
            try expect(try stream.next() == nil && stream.isWhole, "a server that stops cuts off a stream")
        }
        let end = try await server.process.finish()
        try expect(end.status == 0, "the server failed: \(end)")
    }

    private func stream() throws -> EventStream { try EventStream(RawClient(socketPath: server.socketPath)) }
}
