import Foundation
import SharedMemory
import TestSupport

// Processes that stop at one point of the protocol, and are then killed or resumed.

extension Members {
    /// A process that has stopped at a pause point, with the request that led it there.
    struct Stopped {
        let process: ChildProcess
        var server: Server?
        var watch: PrintingWatcher?
        var client: RawClient?
        var start: UInt64 = 0
        /// The text that it is setting.
        var text: [UInt8]?
    }

    func stopping(
        at point: PausePoint, _ interface: Interface, _ body: (Stopped) async throws -> Void
    ) async throws {
        do {
            let stopped = try await stop(at: point, interface)
            defer { if let server = stopped.server { servers.remove(server) } }
            // It delays no other process.
            try recorder.set(segment, stage.randomText())
            try recorder.get(segment)
            try await body(stopped)
        } catch {
            throw Failed(description: "\(point) through \(interface): \(error)")
        }
    }

    private func stop(at point: PausePoint, _ interface: Interface) async throws -> Stopped {
        // A borrow pins again only if a writer got in first.
        let points = point == .borrowPinnedAgain ? [.borrowLoaded, point] : [point]
        let stopped: Stopped
        switch interface {
        case .http: stopped = try await serverStopping(at: points)
        case .commandLine:
            let watch = try PrintingWatcher(name, stage, stoppingAt: points)
            stopped = Stopped(process: watch.process, watch: watch)
        case .swift, .c:
            let worker = try stage.worker(interface, name, action(leadingTo: point, interface), stoppingAt: points)
            stopped = Stopped(process: worker)
        }
        try await stopped.process.stopped()
        for _ in points.dropFirst() {
            try recorder.set(segment, stage.randomText())
            stopped.process.send(SIGCONT)
            try await stopped.process.stopped()
        }
        return stopped
    }

    private func serverStopping(at points: [PausePoint]) async throws -> Stopped {
        let server = try stage.server(name, stoppingAt: points)
        servers.add(server)
        var stopped = Stopped(process: server.process, server: server)
        let point = points[points.count - 1]
        if PausePoint.setting.contains(point) {
            let text = stage.randomText()
            stopped.client = try await server.connect()
            stopped.start = HistoryFile.now
            stopped.text = text
            try stage.recorder(.http).willSet(text)
            try stopped.client?.sendRequest("PUT", body: text)
        } else if (PausePoint.borrowing + PausePoint.copying).contains(point) {
            stopped.client = try await server.connect()
            stopped.start = HistoryFile.now
            try stopped.client?.sendRequest("GET")
        } else if PausePoint.waiting.contains(point) {
            stopped.client = try await server.connect()
            stopped.start = HistoryFile.now
            try stopped.client?.requestEvents()
        } else if PausePoint.detaching.contains(point) {
            // It has a row to free once it has read the text.
            try await server.connect().get(stage.recorder(.http))
            server.process.send(SIGTERM)
        }
        return stopped
    }

    private func action(leadingTo point: PausePoint, _ interface: Interface) -> Worker.Action {
        if PausePoint.setting.contains(point) { return .set }
        if PausePoint.copying.contains(point) { return .copy }
        if PausePoint.rereading.contains(point) { return .reread }
        return PausePoint.waiting.contains(point) ? watchAction(interface) : .read
    }

    func kill(_ stopped: Stopped, at point: PausePoint, _ interface: Interface) async throws {
        try await stage.kill(stopped.process, at: point, interface)
        try recorder.borrow(segment)
        try await stopped.watch?.finishReading()
        extendLifetime(stopped)
    }

    /// Resumes a process after others have set, at times more often than there are slots.
    func resume(_ stopped: Stopped, at point: PausePoint, _ interface: Interface) async throws {
        for _ in 0..<stage.random(0..<400) { try recorder.set(segment, stage.randomText()) }
        stopped.process.send(SIGCONT)
        stage.tally.stopped()
        if let client = stopped.client {
            let recorder = try stage.recorder(.http)
            if PausePoint.waiting.contains(point) {
                try follow(client, until: segment.version, since: stopped.start, recorder)
            } else {
                try client.finish(stopped.text, since: stopped.start, recorder)
            }
        }
        if let watch = stopped.watch {
            try await watch.process.finishWatch()
            return try await watch.finishReading()
        }
        if interface == .http, !PausePoint.detaching.contains(point) {
            _ = try await stopped.process.line(beginning: "listening on ")
            stopped.process.send(SIGTERM)
        }
        let end = try await stopped.process.finish()
        try expect(end.status == 0, "a process that was stopped and resumed failed: \(end)")
    }

    /// Follows an event stream to a version, or to a later one.
    private func follow(_ client: RawClient, until version: Version, since start: UInt64, _ recorder: Recorder) throws {
        let stream = EventStream(client, response: try client.response())
        var known: Version?
        while known.map({ $0.number < version.number }) ?? true {
            guard let event = try stream.next() else {
                throw Failed(description: "the stream ended at \(known as Any)")
            }
            known = try recorder.saw(event.id, event.bytes, since: start, after: known)
        }
    }
}
