import Foundation
import SharedMemory
import Synchronization
import TestSupport

/// A client that watches a text over HTTP, and writes down each version it is told of.
///
/// It goes from server to server, with what it has: one is killed, another it leaves itself, at any moment and as
/// clients do. Told to stay, it leaves none any more.
final class HTTPWatcher: Sendable {
    enum Form: CaseIterable, Sendable { case stream, poll }

    private let progress = Progress()
    private let recorder: Recorder
    private let thread: Background

    /// - Parameter resident: the server that is not killed.
    init(_ form: Form, _ servers: Servers, resident: Server, _ stage: Stage) throws {
        recorder = try stage.recorder(.http)
        let seed = UInt64(stage.random(0..<Int.max))
        thread = Background(recorder) { [progress, tally = stage.tally] _, recorder in
            var random = SplitMix(state: seed)
            while progress.phase != .over {
                let server = servers.choose(&random) ?? resident
                let isResident = server.process === resident.process
                var visit = Visit(form, server, isResident: isResident, progress, recorder, random)
                tally.visited(try visit.run())
                random = visit.random
            }
        }
    }

    func stay() { progress.phase = .stays }
}

extension HTTPWatcher: RoundWatcher {
    func end(_ version: Version) async throws {
        await recorder.recordEnd(of: version) { progress.last }
        progress.phase = .over
        try await thread.stop()
    }
}

/// What a client has, and what it is to do.
private final class Progress: Sendable {
    enum Phase: UInt8, AtomicRepresentable { case roams, stays, over }

    private let state = Atomic(Phase.roams)
    private let known = Shared<Version?>(nil)

    var phase: Phase {
        get { state.load(ordering: .relaxed) }
        set { state.store(newValue, ordering: .relaxed) }
    }

    var last: Version? {
        get { known.value }
        set { known.value = newValue }
    }
}

/// One connection, from its beginning to its end.
struct Visit {
    /// How it ends.
    enum End: CaseIterable {
        /// The client leaves.
        case left
        /// The server has gone.
        case lost
        /// There is no place.
        case refused
        /// There is no server, not any more or not yet.
        case unanswered
    }

    private let form: HTTPWatcher.Form
    private let server: Server
    /// Whether the server is not killed, nor told to stop.
    private let isResident: Bool
    private let progress: Progress
    private let recorder: Recorder
    private(set) var random: SplitMix
    /// For a client that does not stay.
    private var deadline = ContinuousClock.now

    fileprivate init(
        _ form: HTTPWatcher.Form, _ server: Server, isResident: Bool, _ progress: Progress, _ recorder: Recorder,
        _ random: SplitMix
    ) {
        (self.form, self.server, self.isResident) = (form, server, isResident)
        (self.progress, self.recorder) = (progress, recorder)
        self.random = random
        if self.random.next() % 8 != 0 { deadline += .microseconds(self.random.next() % 60_000) }
    }

    mutating func run() throws -> End {
        guard let client = try? connect() else {
            usleep(1000)
            return .unanswered
        }
        let result = Result { try form == .stream ? follow(client) : poll(client) }
        switch result {
        case .success(.left): leave(client)
        case .success(.refused): usleep(1000)
        case .failure(let error as Failed): throw error
        case .success(.lost), .failure:
            try expect(!isResident, "a \(form) of the server that is not killed has ended: \(result)")
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
        var known = versionToShow()
        let start = HistoryFile.now
        try client.requestEvents("/shared", known.map { ["Last-Event-ID: \($0)"] } ?? [])
        guard let answer = try next({ try client.response() }) else { return .left }
        if answer.status == 503 { return .refused }
        try expect(answer.status == 200, "\(answer)")
        let stream = EventStream(client, response: answer)
        while let event = try next({ try stream.next() }) {
            guard let event else { return .lost }
            known = try recorder.saw(event.id, event.bytes, since: start, after: known)
            progress.last = known
        }
        return .left
    }

    private mutating func poll(_ client: RawClient) throws -> End {
        while true {
            let known = versionToShow()
            let start = HistoryFile.now
            let condition = known.map { ["If-None-Match: \"\($0)\""] } ?? []
            try client.sendRequest("GET", "/shared", ["Prefer: wait=60"] + condition)
            guard let answer = try next({ try client.response() }) else { return .left }
            switch answer.status {
            case 200: progress.last = try recorder.saw(entityTag(answer), answer.body, since: start, after: known)
            case 304:
                try expect(known.map { "\($0)" } == entityTag(answer), "304 for another text: \(answer)")
                // A server that stops waits no longer.
                try expect(!isResident, "304 before the time is up: \(answer)")
            default:
                try expect(answer.status == 503, "\(answer)")
                return .refused
            }
        }
    }

    /// What the client says it has: now and then nothing, as one that begins anew.
    private mutating func versionToShow() -> Version? { random.next() % 8 == 0 ? nil : progress.last }

    private func entityTag(_ answer: RawResponse) -> String { answer["ETag"].map { $0.filter { $0 != "\"" } } ?? "" }

    /// What comes next, now and then only after a while; nil when it is time to leave.
    private mutating func next<Piece>(_ receive: () throws -> Piece) throws -> Piece? {
        if random.next() % 8 == 0 { usleep(UInt32(random.next() % 20_000)) }
        while !isOver {
            if let piece = try received(receive) { return piece }
        }
        return nil
    }

    private var isOver: Bool {
        switch progress.phase {
        case .roams: ContinuousClock.now >= deadline
        case .stays: false
        case .over: true
        }
    }

    /// - Returns: nil when nothing has come for some milliseconds.
    private func received<Piece>(_ receive: () throws -> Piece) throws -> Piece? {
        do {
            return try receive()
        } catch let error as POSIXError where error.code == .EAGAIN {
            return nil
        }
    }
}
