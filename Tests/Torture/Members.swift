import Foundation
import SharedMemory
import TestSupport

/// Processes that use one text through every interface at once, while some of them are killed or stopped.
struct Members {
    enum Victim: Sendable {
        case killed(at: PausePoint, Interface)
        case stopped(at: PausePoint, Interface)
        case killedAnywhere(Interface)

        /// Through HTTP, text is copied only when all pins are taken.
        fileprivate var needsPinsTaken: Bool {
            switch self {
            case .killed(let point, .http), .stopped(let point, .http): PausePoint.copying.contains(point)
            default: false
            }
        }
    }

    /// For each point and interface a process to be killed, for each point one to be stopped, and others to be killed anywhere.
    static func victims(anywhere count: Int, _ random: inout SplitMix) -> [Victim] {
        var victims: [Victim] = []
        for point in PausePoint.shared {
            victims += point.interfaces.map { .killed(at: point, $0) }
            victims.append(.stopped(at: point, point.interfaces.randomElement(using: &random) ?? .swift))
        }
        for interface in Interface.allCases {
            victims += Array(repeating: .killedAnywhere(interface), count: count)
        }
        return victims
    }

    /// The processes that watch the text from the beginning of a round to its end.
    static let watchers: [(Interface, Worker.Action)] = [
        (.swift, .changes), (.swift, .wait), (.c, .wait),
    ]
    /// The clients that watch through servers.
    static let clients: [HTTPWatcher.Method] = [.stream, .stream, .poll, .poll]

    let stage: Stage
    let name = "members"
    let segment: Segment
    /// Every server of the text that is running.
    let servers = Servers()
    var recorder: Recorder { stage.recorder }

    init(_ stage: Stage) throws {
        self.stage = stage
        segment = try Segment.attach(name, stage.options())
        // A new segment's empty text is read without a pin, so set another before anything counts.
        try recorder.set(segment, stage.randomText())
    }

    /// Kills and stops `victims`, and checks everything that was read and set meanwhile.
    func round(_ victims: [Victim]) async throws {
        // No watcher is told of text from the previous round.
        let before = try recorder.set(segment, stage.randomText())
        let watchers: [any RoundWatcher] =
            try Self.watchers.map { WatchingWorker(process: try stage.worker($0, name, $1)) }
            + [PrintingWatcher(name, stage), RunningWatcher(name, stage)]
        let residents = try [Interface.swift, .c].map { try stage.worker($0, name, .loop) }
        let server = try await residentServer()
        defer { (residents + [server.process]).forEach { $0.kill() } }
        let resident = ResidentServer(
            server: server, limit: Self.clients.count, descriptorCount: try server.descriptorCount())
        servers.add(server)
        defer { servers.remove(server) }
        let clients = try Self.clients.map { try HTTPWatcher($0, servers, resident: server, stage) }

        let user = try user(of: server)
        try await inParallel(victims.filter { !$0.needsPinsTaken }, width: 6) { try await strike($0) }
        let pins = try await takePins(sparing: residents.count)
        try await inParallel(victims.filter(\.needsPinsTaken), width: 6) { try await strike($0) }
        pins.forEach { $0.end() }
        try await user.stop()
        for resident in residents {
            let end = try await resident.finish()
            try expect(end.status == 0, "a process that was not killed failed: \(end)")
        }
        clients.forEach { $0.stay() }

        try await checkInterfaces(server)
        try await end(watchers + clients)
        try checkHistory(after: before)
        try await resident.check()
        try await checkNothingIsLeft()
    }

    private func strike(_ victim: Victim) async throws {
        switch victim {
        case .killed(let point, let interface):
            try await stopping(at: point, interface) { try await kill($0, at: point, interface) }
        case .stopped(let point, let interface):
            try await stopping(at: point, interface) { try await resume($0, at: point, interface) }
        case .killedAnywhere(.http): try await killServerAnywhere()
        case .killedAnywhere(.commandLine): try await killWatchAnywhere()
        case .killedAnywhere(let interface): try await killWorkerAnywhere(interface)
        }
    }

    // MARK: Using

    /// A server that runs for the whole round, with exactly as many places as it has watchers.
    private func residentServer() async throws -> Server {
        let options = ["--listen", "127.0.0.1:0", "--watchers", "\(Self.clients.count)"]
        var server = try stage.server(name, options: options)
        let address = try await server.process.line(beginning: "listening on http://127.0.0.1:")
        server.port = UInt16(address.prefix { $0 != "/" })
        return server
    }

    /// A client that reads and sets through the server until it is stopped.
    private func user(of server: Server) throws -> Background {
        var random = SplitMix(state: UInt64(stage.random(0..<Int.max)))
        return Background(try stage.recorder(.http)) { isStopped, recorder in
            let client = try RawClient(socketPath: server.socketPath)
            while !isStopped() {
                switch random.next() % 8 {
                case 0, 1: try client.set(random.text(), recorder)
                case 2: try client.setConditionally(random.text(), recorder)
                default: try client.get(recorder)
                }
                usleep(UInt32(random.next() % 1000))
            }
        }
    }

    /// Takes every pin, dead processes' too, except for the one that each of the readers keeps.
    private func takePins(sparing readerCount: Int) async throws -> [BorrowToken] {
        var pins: [BorrowToken] = []
        return try await eventually("all pins") {
            while pins.count < stage.pinCount - readerCount {
                let token = try segment.borrow().leak()
                guard token.isPin else {
                    token.end()
                    return nil
                }
                pins.append(token)
            }
            return pins
        }
    }

    /// One of the ways to watch through an interface.
    func watchAction(_ interface: Interface) -> Worker.Action {
        stage.randomElement(Self.watchers.filter { $0.0 == interface }.map(\.1))
    }
}
