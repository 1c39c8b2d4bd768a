import Foundation
import SharedMemory
import TestSupport

// Processes that are killed wherever they happen to be.

extension Members {
    func killWatchAnywhere() async throws {
        guard stage.random(0..<3) > 0 else {
            return try await killSoon(stage.watch(name, ["--exec", "cat"]), .commandLine)
        }
        let watch = try PrintingWatcher(name, stage)
        try await killSoon(watch.process, .commandLine)
        try await watch.finishReading()
    }

    func killWorkerAnywhere(_ interface: Interface) async throws {
        let action = stage.random(0..<3) == 0 ? watchAction(interface) : .loop
        try await killSoon(stage.worker(interface, name, action), interface)
    }

    func killServerAnywhere() async throws {
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
                // The server is killed while the client uses it.
            } catch is POSIXError {}
        }
        try await killSoon(server.process, .http)
        try await user.stop()
    }

    /// Kills a process within 40 ms, and stops it for a while before that one time in four.
    private func killSoon(_ process: ChildProcess, _ interface: Interface) async throws {
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
        try expect(end.wasKilled, "a process ended before it was killed: \(end)")
        stage.tally.killedAnywhere(interface)
    }
}
