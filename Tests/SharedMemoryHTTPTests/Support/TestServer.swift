import Foundation
import SharedMemory
import SharedMemoryHTTP
import Synchronization
import TestSupport

/// A real server in this process, on a port and in a directory of its own.
final class TestServer: Sendable {
    let directory: TemporaryDirectory
    let server: Server

    init(
        segments: [String] = ["text"], capacity: Int? = nil,
        _ configure: (inout ServerConfiguration) throws -> Void = { _ in }
    ) throws {
        directory = try TemporaryDirectory()
        var configuration = ServerConfiguration()
        configuration.segments = segments
        configuration.allowedHosts = ["a"]
        configuration.listen = [.tcp(host: "127.0.0.1", port: 0)]
        configuration.directory = directory.path
        configuration.capacity = capacity
        configuration.graceSeconds = 5
        // On a busy machine, a test may pause between two requests.
        configuration.headSeconds = 600
        configuration.bodySeconds = 600
        configuration.sendSeconds = 600
        configuration.idleSeconds = 600
        try configure(&configuration)
        server = try Server(configuration)
    }

    deinit { server.stop() }

    /// A token for tests, and the field that presents it.
    static let token = "0123456789abcdef"
    static let bearer = "Authorization: Bearer \(token)"

    var address: ListenAddress { server.addresses[0] }

    var url: String { if case .https = address { "\(address)" } else { "http://\(address)" } }

    func connect() throws -> RawClient { try RawClient(address) }

    /// The same segment, attached by this process.
    func segment(_ name: String = "text") throws -> Segment {
        try Segment.attach(name, AttachmentOptions(directory: directory.path))
    }

    /// Makes it look as if the current text was set so many seconds ago; if negative, in the future.
    func setTextsAge(seconds: Double, _ name: String = "text") throws {
        let path = try segment(name).path
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let format = try SegmentFormat(ofFile: path)
        try file.seek(toOffset: UInt64(SegmentFormat.currentOffset + 6))
        let word = try file.read(upToCount: 2) ?? Data()
        let slot = word.reversed().reduce(0) { $0 << 8 | Int($1) }
        try file.seek(toOffset: UInt64(format.slotHeaderOffset(slot) + 32))
        let time = UInt64((Date().timeIntervalSince1970 - seconds) * 1e9)
        try file.write(contentsOf: withUnsafeBytes(of: time) { Data($0) })
    }

    /// Sends a request over a connection of its own.
    func request(
        _ method: String = "GET", _ target: String = "/shared", _ fields: [String] = [], body: [UInt8]? = nil
    ) throws -> RawResponse {
        try connect().request(method, target, fields, body: body)
    }

    func set(_ text: String, _ fields: [String] = []) throws -> RawResponse {
        try request("PUT", "/shared", fields, body: Array(text.utf8))
    }

    /// Has two clients of each server set different text so many times.
    ///
    /// - Returns: the entity tags.
    static func setOften(_ servers: [TestServer], count: Int) async throws -> [String] {
        try await withThrowingTaskGroup(of: [String].self) { group in
            for (index, server) in servers.enumerated() {
                for client in 0..<2 {
                    group.addTask {
                        try (0..<count).map { number in
                            let answer = try server.set("\(index) \(client) \(number)")
                            if answer.status != 204 { throw SystemFailure(description: "a PUT is answered \(answer)") }
                            return answer["ETag"] ?? ""
                        }
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// A process that has set the text and stopped before it notified anyone.
    func writerStoppedBeforeNotifying() async throws -> ChildProcess {
        let writer = try ChildProcess.probe(
            .set("from a stopped process"), directory,
            environment: ["SHAREDMEM_PAUSE_AT": "setPublished"])
        try await writer.stopped()
        return writer
    }
}

extension RawClient {
    convenience init(_ address: ListenAddress, from source: String? = nil) throws {
        switch address {
        case .tcp(let host, let port), .https(let host, let port):
            try self.init(host: host, port: port, from: source)
        case .unix(let path): try self.init(socketPath: path)
        }
    }
}

/// A flag that any thread raises, once.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isRaised: Bool { value.load(ordering: .acquiring) }

    func raise() { value.store(true, ordering: .releasing) }
}
