import Foundation
import SharedMemory
import TestSupport

/// One connection of an HTTP watcher, from its beginning to its end.
struct Visit {
    /// The way in which it ends.
    enum End: CaseIterable {
        /// The client left.
        case left
        /// The server was killed or stopped.
        case lost
        /// The server had no place left.
        case refused
        /// No server listened, because it was gone or not yet ready.
        case unanswered
    }

    private let method: HTTPWatcher.Method
    private let server: Server
    /// Whether the server is neither killed nor told to stop.
    private let isResident: Bool
    private let progress: Progress
    private let recorder: Recorder
    private(set) var random: SplitMix
    /// When the client leaves, unless it is staying.
    private var deadline = ContinuousClock.now

    init(
        _ method: HTTPWatcher.Method, _ server: Server, isResident: Bool, _ progress: Progress, _ recorder: Recorder,
        _ random: SplitMix
    ) {
        (self.method, self.server, self.isResident) = (method, server, isResident)
        (self.progress, self.recorder) = (progress, recorder)
        self.random = random
        if self.random.next() % 8 != 0 { deadline += .microseconds(self.random.next() % 60_000) }
    }

    mutating func run() throws -> End {
        guard let client = try? connect() else {
            usleep(1000)
            return .unanswered
        }
        let result = Result { try method == .stream ? follow(client) : poll(client) }
        switch result {
        case .success(.left): leave(client)
        case .success(.refused): usleep(1000)
        case .failure(let error as Failed): throw error
        case .success(.lost), .failure:
            try expect(!isResident, "the resident server ended a \(method): \(result)")
            return .lost
        default: break
        }
        return try result.get()
    }

    private mutating func connect() throws -> RawClient {
        let client =
            if let port = server.port, Bool.random(using: &random) {
                try RawClient(host: "127.0.0.1", port: port)
            } else {
                try RawClient(socketPath: server.socketPath)
            }
        client.waitAtMost(milliseconds: Int.random(in: 1...20, using: &random))
        return client
    }

    private mutating func leave(_ client: RawClient) {
        switch random.next() % 3 {
        case 0: client.reset()
        case 1: client.shutDownSending()
        default: break
        }
    }

    // MARK: Two ways to watch

    private mutating func follow(_ client: RawClient) throws -> End {
        var known = versionToSend()
        let start = HistoryFile.now
        try client.requestEvents("/shared", known.map { ["Last-Event-ID: \($0)"] } ?? [])
        guard let response = try next({ try client.response() }) else { return .left }
        try expect(response.status == 200, "\(response)")
        // A stream that has no place ends at once, and is not sent in chunks.
        if response["Transfer-Encoding"] == nil { return .refused }
        let stream = EventStream(client, response: response)
        while let event = try next({ try stream.next() }) {
            guard let event else { return .lost }
            known = try recorder.saw(event.id, event.bytes, since: start, after: known)
            progress.last = known
        }
        return .left
    }

    private mutating func poll(_ client: RawClient) throws -> End {
        while true {
            let known = versionToSend()
            let start = HistoryFile.now
            let condition = known.map { ["If-None-Match: \"\($0)\""] } ?? []
            try client.sendRequest("GET", "/shared", ["Prefer: wait=60"] + condition)
            guard let response = try next({ try client.response() }) else { return .left }
            switch response.status {
            case 200: progress.last = try recorder.saw(entityTag(response), response.body, since: start, after: known)
            case 304:
                try expect(known.map { "\($0)" } == entityTag(response), "304 for another version: \(response)")
                // A server that is stopping answers early.
                try expect(!isResident, "304 before the timeout: \(response)")
            default:
                try expect(response.status == 503, "\(response)")
                return .refused
            }
        }
    }

    /// The version that the client says it has; one time in eight none, like a client that starts over.
    private mutating func versionToSend() -> Version? { random.next() % 8 == 0 ? nil : progress.last }

    private func entityTag(_ response: RawResponse) -> String {
        response["ETag"].map { $0.filter { $0 != "\"" } } ?? ""
    }

    /// The next piece, received after a delay one time in eight; nil when it is time to leave.
    private mutating func next<Piece>(_ receive: () throws -> Piece) throws -> Piece? {
        if random.next() % 8 == 0 { usleep(UInt32(random.next() % 20_000)) }
        while !isOver {
            if let piece = try received(receive) { return piece }
        }
        return nil
    }

    private var isOver: Bool {
        switch progress.phase {
        case .roaming: ContinuousClock.now >= deadline
        case .staying: false
        case .over: true
        }
    }

    /// - Returns: nil if nothing arrives within the connection's timeout.
    private func received<Piece>(_ receive: () throws -> Piece) throws -> Piece? {
        do {
            return try receive()
        } catch let error as POSIXError where error.code == .EAGAIN {
            return nil
        }
    }
}
