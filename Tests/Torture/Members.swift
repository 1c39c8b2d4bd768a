import Foundation
import SharedMemory
import Synchronization
import TestSupport

/// One text that is used through all doors at once, while processes attached to it are killed.
struct Members {
    enum Victim: Sendable {
        case at(PausePoint, Door)
        case stoppedAt(PausePoint, Door)
        case atAnyMoment(Door)

        /// Through HTTP a copy is made only where no pin is to be had.
        fileprivate var needsPinsTaken: Bool {
            switch self {
            case .at(let step, .http), .stoppedAt(let step, .http): Members.copying.contains(step)
            default: false
            }
        }
    }

    /// Where a process that uses a text which is there can be killed.
    static let steps: [PausePoint] = [
        .attachOpened, .attachNotLeftover, .aliveLookedAtLock, .attachSharedLifetime, .attachTookRow, .setChosen,
        .setClaimed, .setChecked,
        .setStamped, .setReserved, .setFilled, .setNumbered, .setPublished, .setUnclaimed, .borrowLoaded, .borrowPinned,
        .borrowPinnedAgain, .borrowChecked, .readLoaded, .readPinned, .readChecked, .copyLoaded, .copyStamped,
        .copyRead,
        .waitCheckedName, .waitAnnounced,
        .detachFreedRow, .detachDroppedLifetime,
    ]

    /// The doors through which a process comes to a step.
    static func doors(to step: PausePoint) -> [Door] {
        if waiting.contains(step) { return Door.allCases }
        return rereading.contains(step) ? [.swift, .c] : Door.readingAndSetting
    }

    /// Processes that watch the text from the beginning of a round to its end.
    private static let watchers: [(Door, Worker.Action)] = [
        (.swift, .changes), (.swift, .wait), (.c, .wait),
    ]
    /// Beside them, how many watch through servers.
    private static let clients: [HTTPWatcher.Form] = [.stream, .stream, .poll, .poll]

    let stage: Stage
    private let name = "members"
    private let segment: Segment
    /// All that serve the text at present.
    private let servers = Servers()
    private var recorder: Recorder { stage.recorder }

    init(_ stage: Stage) throws {
        self.stage = stage
        segment = try Segment.attach(name, stage.options())
        // The empty text that there is at first is read without a pin.
        try recorder.set(segment, stage.randomText())
    }

    /// Kills and stops these, and then holds all that was done against what was promised.
    func round(_ victims: [Victim]) async throws {
        // Nobody is told of a text of the round before.
        let before = try recorder.set(segment, stage.randomText())
        let watchers: [any RoundWatcher] =
            try Self.watchers.map { WatchingWorker(process: try stage.worker($0, name, $1)) }
            + [PrintingWatcher(name, stage), RunningWatcher(name, stage)]
        let residents = try [Door.swift, .c].map { try stage.worker($0, name, .loop) }
        let server = try await residentServer()
        defer { (residents + [server.process]).forEach { $0.kill() } }
        let rest = Rest(server: server, limit: Self.clients.count, descriptorCount: try server.descriptorCount())
        servers.add(server)
        defer { servers.remove(server) }
        let clients = try Self.clients.map { try HTTPWatcher($0, servers, resident: server, stage) }
        let user = try user(of: server)
        try await inParallel(victims.filter { !$0.needsPinsTaken }, width: 6) { try await strike($0) }
        let pins = try await takePins(butOf: residents.count)
        try await inParallel(victims.filter(\.needsPinsTaken), width: 6) { try await strike($0) }
        pins.forEach { $0.end() }
        try await user.stop()
        for resident in residents {
            let end = try await resident.finish()
            try expect(end.status == 0, "a process that was not killed: \(end)")
        }
        clients.forEach { $0.stay() }
        try await checkDoors(server)
        try await end(watchers + clients)
        let history = try stage.takeHistory()
        stage.tally.checked(history)
        let violations = history.violations()
        try expect(violations.isEmpty, "\(violations.map(\.description).joined(separator: "\n"))")
        let after = try segment.version
        let last = max(before.number, history.lastNumber(ofInstance: after.instance))
        try expect(
            after.instance == before.instance && after.number >= last, "\(last) was there, but now it is \(after)")
        try await rest.check()
        try await checkNothingIsLeft()
    }

    // MARK: Killing

    private func strike(_ victim: Victim) async throws {
        switch victim {
        case .at(let step, let door):
            try await atStep(step, door) { try await kill($0, at: step, door) }
        case .stoppedAt(let step, let door):
            try await atStep(step, door) { try await letGoOn($0, at: step, door) }
        case .atAnyMoment(.http): try await killServerAtAnyMoment()
        case .atAnyMoment(.commandLine): try await killWatchAtAnyMoment()
        case .atAnyMoment(let door): try await killWorkerAtAnyMoment(door)
        }
    }

    /// A process that has stopped at a step, with what it was asked over HTTP.
    private struct Stopped {
        let process: ChildProcess
        var server: Server?
        var watch: PrintingWatcher?
        var client: RawClient?
        var start: UInt64 = 0
        /// The text it is setting.
        var text: [UInt8]?
    }

    private func atStep(_ step: PausePoint, _ door: Door, _ body: (Stopped) async throws -> Void) async throws {
        do {
            let stopped = try await stop(at: step, door)
            defer { if let server = stopped.server { servers.remove(server) } }
            // Nobody waits for it.
            try recorder.set(segment, stage.randomText())
            try recorder.get(segment)
            try await body(stopped)
        } catch {
            throw Failed(description: "\(step) through \(door): \(error)")
        }
    }

    fileprivate static let copying: [PausePoint] = [.copyLoaded, .copyStamped, .copyRead]
    private static let setting: [PausePoint] = [
        .setChosen, .setClaimed, .setChecked, .setStamped, .setReserved, .setFilled, .setNumbered, .setPublished,
        .setUnclaimed,
    ]
    private static let waiting: [PausePoint] = [.waitCheckedName, .waitAnnounced]
    private static let borrowing: [PausePoint] = [.borrowLoaded, .borrowPinned, .borrowPinnedAgain, .borrowChecked]
    /// With a pin that is kept: the server has none.
    private static let rereading: [PausePoint] = [.readLoaded, .readPinned, .readChecked]
    private static let detaching: [PausePoint] = [.detachFreedRow, .detachDroppedLifetime]

    private func stop(at step: PausePoint, _ door: Door) async throws -> Stopped {
        // A borrow pins anew when it was overtaken.
        let steps = step == .borrowPinnedAgain ? [.borrowLoaded, step] : [step]
        var stopped: Stopped
        if door == .http {
            let server = try stage.server(name, stoppingAt: steps)
            servers.add(server)
            stopped = Stopped(process: server.process, server: server)
            if Self.setting.contains(step) {
                let text = stage.randomText()
                stopped.client = try await server.connect()
                stopped.start = HistoryFile.now
                stopped.text = text
                try stage.recorder(.http).willSet(text)
                try stopped.client?.sendRequest("PUT", body: text)
            } else if Self.borrowing.contains(step) || Self.copying.contains(step) {
                stopped.client = try await server.connect()
                stopped.start = HistoryFile.now
                try stopped.client?.sendRequest("GET")
            } else if Self.waiting.contains(step) {
                stopped.client = try await server.connect()
                stopped.start = HistoryFile.now
                try stopped.client?.requestEvents()
            } else if Self.detaching.contains(step) {
                try await server.listening()
                server.process.send(SIGTERM)
            }
        } else if door == .commandLine {
            let watch = try PrintingWatcher(name, stage, stoppingAt: steps)
            stopped = Stopped(process: watch.process, watch: watch)
        } else {
            stopped = Stopped(process: try stage.worker(door, name, action(at: step, door), stoppingAt: steps))
        }
        try await stopped.process.stopped()
        for _ in steps.dropFirst() {
            try recorder.set(segment, stage.randomText())
            stopped.process.send(SIGCONT)
            try await stopped.process.stopped()
        }
        return stopped
    }

    private func action(at step: PausePoint, _ door: Door) -> Worker.Action {
        if Self.setting.contains(step) { return .set }
        if Self.copying.contains(step) { return .copy }
        if Self.rereading.contains(step) { return .reread }
        return Self.waiting.contains(step) ? watching(door) : .read
    }

    /// One of the ways to watch.
    private func watching(_ door: Door) -> Worker.Action {
        stage.randomElement(Self.watchers.filter { $0.0 == door }.map(\.1))
    }

    private func kill(_ stopped: Stopped, at step: PausePoint, _ door: Door) async throws {
        try await stage.kill(stopped.process, at: step, door)
        try recorder.borrow(segment)
        try await stopped.watch?.finishReading()
        extendLifetime(stopped)
    }

    /// Lets a process go on after others have set, now and then more often than there are slots.
    private func letGoOn(_ stopped: Stopped, at step: PausePoint, _ door: Door) async throws {
        for _ in 0..<stage.random(0..<2 * SegmentFormat.slotCount) { try recorder.set(segment, stage.randomText()) }
        stopped.process.send(SIGCONT)
        stage.tally.stopped()
        if let client = stopped.client {
            let recorder = try stage.recorder(.http)
            if Self.waiting.contains(step) {
                try hear(client, until: segment.version, since: stopped.start, recorder)
            } else {
                try client.finish(stopped.text, since: stopped.start, recorder)
            }
        }
        if let watch = stopped.watch {
            try await watch.process.finishWatch()
            return try await watch.finishReading()
        }
        if door == .http, !Self.detaching.contains(step) {
            _ = try await stopped.process.line(beginning: "listening on ")
            stopped.process.send(SIGTERM)
        }
        let end = try await stopped.process.finish()
        try expect(end.status == 0, "stopped, and let go on: \(end)")
    }

    /// Follows a stream until it tells of a version, or a later one.
    private func hear(_ client: RawClient, until version: Version, since start: UInt64, _ recorder: Recorder) throws {
        let stream = EventStream(client, response: try client.response())
        var known: Version?
        while known.map({ $0.number < version.number }) ?? true {
            guard let event = try stream.next() else {
                throw Failed(description: "the stream has ended at \(known as Any)")
            }
            known = try recorder.saw(event.id, event.bytes, since: start, after: known)
        }
    }

    private func killWatchAtAnyMoment() async throws {
        guard stage.random(0..<3) > 0 else {
            return try await killSoon(stage.watch(name, ["--exec", "cat"]), .commandLine)
        }
        let watch = try PrintingWatcher(name, stage)
        try await killSoon(watch.process, .commandLine)
        try await watch.finishReading()
    }

    private func killWorkerAtAnyMoment(_ door: Door) async throws {
        let worker = try stage.worker(door, name, stage.random(0..<3) == 0 ? watching(door) : .loop)
        try await killSoon(worker, door)
    }

    private func killServerAtAnyMoment() async throws {
        let server = try stage.server(name)
        servers.add(server)
        defer { servers.remove(server) }
        let client = try await server.connect()
        let texts = (0..<16).map { _ in stage.randomText() }
        let user = Background(try stage.recorder(.http)) { [client = Unchecked(client)] _, recorder in
            do {
                for text in texts + texts + texts {
                    try client.value.set(text, recorder)
                    try client.value.get(recorder)
                    try client.value.setConditionally(text, recorder)
                }
            } catch is ConnectionEnded {
                // As it must.
            } catch is POSIXError {}
        }
        try await killSoon(server.process, .http)
        try await user.stop()
    }

    /// Kills a process at any moment, now and then after it was stopped for a while.
    private func killSoon(_ process: ChildProcess, _ door: Door) async throws {
        try await Task.sleep(for: .microseconds(stage.random(0..<40_000)))
        if stage.random(0..<4) == 0 {
            process.send(SIGSTOP)
            try await Task.sleep(for: .microseconds(stage.random(0..<10_000)))
            try recorder.set(segment, stage.randomText())
            process.send(SIGCONT)
            stage.tally.stopped()
            try await Task.sleep(for: .microseconds(stage.random(0..<1000)))
        }
        process.kill()
        let end = try await process.finish()
        try expect(end.wasKilled, "before it was killed: \(end)")
        stage.tally.killedAtRandom(door)
    }

    /// Takes all pins there are, those of the dead too, but for one that each of so many readers keeps.
    private func takePins(butOf readerCount: Int) async throws -> [BorrowToken] {
        var pins: [BorrowToken] = []
        return try await eventually("all pins") {
            while pins.count < SegmentFormat.pinCount - readerCount {
                let hold = try segment.borrow().leak()
                guard hold.isPin else {
                    hold.end()
                    return nil
                }
                pins.append(hold)
            }
            return pins
        }
    }

    // MARK: Using

    /// The server that is there as long as a round: with places for its watchers, and none more.
    private func residentServer() async throws -> Server {
        let options = ["--listen", "127.0.0.1:0", "--watchers", "\(Self.clients.count)"]
        var server = try stage.server(name, options: options)
        let address = try await server.process.line(beginning: "listening on http://127.0.0.1:")
        server.port = UInt16(address.prefix { $0 != "/" })
        return server
    }

    /// A client that uses the text through the server until it is stopped.
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

    // MARK: Checking

    /// What is set through one door is there at all others.
    private func checkDoors(_ server: Server) async throws {
        let client = try RawClient(socketPath: server.socketPath)
        let throughHTTP = try stage.recorder(.http)
        try recorder.set(segment, stage.randomText())
        try client.set(stage.randomText(), throughHTTP)
        for door in [Door.swift, .c] {
            let setter = try await stage.worker(door, name, .set).finish()
            try expect(setter.status == 0, "\(setter)")
        }
        let text = stage.randomText()
        recorder.willSet(text)
        let start = HistoryFile.now
        let set = try await stage.sharedmem(["set", name, "-v"], input: text)
        guard let version = Version(set.errors.trimmingCharacters(in: .newlines)) else {
            throw Failed(description: "sharedmem set: \(set)")
        }
        try stage.recorder(.commandLine).record(
            .set, since: start, version, digest: ChecksummedText.digest(of: text.span.bytes))
        try expect(try segment.get().utf8.elementsEqual(text), "set through the command line, read through Swift")
        try expect(try client.get(throughHTTP) == text, "set through the command line, read through HTTP")
        let get = try await stage.sharedmem(["get", name])
        try expect(get.status == 0 && Array(get.output) == text, "read through the command line: \(get)")
        for (door, action) in [(Door.swift, Worker.Action.read), (.swift, .copy), (.c, .read), (.c, .copy)] {
            let reader = try await stage.worker(door, name, action).finish()
            try expect(reader.status == 0, "\(reader)")
        }
    }

    private func end(_ watchers: [any RoundWatcher]) async throws {
        if stage.random(0..<4) == 0 { try await killBeforeWaking() }
        let last = try segment.version
        try await inParallel(watchers, width: watchers.count) { try await $0.end(last) }
    }

    /// The last text comes from one that has woken nobody.
    private func killBeforeWaking() async throws {
        let door: Door = stage.randomElement([.swift, .c])
        let step: PausePoint = stage.randomElement([.setPublished, .setUnclaimed])
        let publisher = try stage.worker(door, name, .set, stoppingAt: [step])
        try await publisher.stopped()
        try await stage.kill(publisher, at: step, door)
    }

    /// After a sweep, the only rows are this process's two, and no pin or claim is left.
    private func checkNothingIsLeft() async throws {
        let other = try Segment.attach(name, stage.options())
        try other.sweep()
        let (pins, claims) = try SegmentFormat.usage(ofFile: "\(stage.directory)/\(name).sharedmem")
        let attached = try Segment.info(name, directory: stage.directory).attached.count
        try expect((pins, claims, attached) == (0, 0, 2), "left: \(pins) pins, \(claims) claims, \(attached) rows")
        extendLifetime(other)
    }
}

// MARK: -

/// Runs what there is to do, some at a time.
func inParallel<Job: Sendable>(
    _ jobs: [Job], width: Int, _ body: @escaping @Sendable (Job) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for (index, job) in jobs.enumerated() {
            if index >= width { try await group.next() }
            group.addTask { try await body(job) }
        }
        try await group.waitForAll()
    }
}

/// A worker that watches until standard input says which version is the last.
struct WatchingWorker: RoundWatcher {
    let process: ChildProcess

    func end(_ version: Version) async throws {
        try process.write(Data("\(version)\n".utf8))
        let end = try await process.finish()
        try expect(end.status == 0, "a watcher: \(end)")
    }
}

/// A thread that blocks, which tasks must not.
final class Background: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let outcome = Mutex<Result<Void, any Error>?>(nil)

    init(_ recorder: Recorder, _ body: @escaping (_ isStopped: () -> Bool, Recorder) throws -> Void) {
        let body = Unchecked(body)
        Thread.detachNewThread { [self] in
            let result = Result { try body.value({ isStopped.load(ordering: .relaxed) }, recorder) }
            outcome.withLock { $0 = result }
        }
    }

    /// Tells it to end, and waits until it has.
    func stop() async throws {
        isStopped.store(true, ordering: .relaxed)
        try await eventually("the end of a thread") { outcome.withLock { $0 } }.get()
    }
}

/// Handed over to one thread.
struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
