import Foundation
import SharedMemory
import Synchronization
import TestSupport

/// A client that watches the text over HTTP, and records each version that it sees.
///
/// It moves from server to server, and takes its version along: one server is killed, another it leaves itself, in the
/// ways that clients do. Once told to stay, it leaves no more servers.
final class HTTPWatcher: Sendable {
    enum Method: CaseIterable, Sendable { case stream, poll }

    private let progress = Progress()
    private let recorder: Recorder
    private let thread: Background

    /// - Parameter resident: the server that is never killed.
    init(_ method: Method, _ servers: Servers, resident: Server, _ stage: Stage) throws {
        recorder = try stage.recorder(.http)
        let seed = UInt64(stage.random(0..<Int.max))
        thread = Background(recorder) { [progress, tally = stage.tally] _, recorder in
            var random = SplitMix(state: seed)
            while progress.phase != .over {
                let server = servers.choose(&random) ?? resident
                let isResident = server.process === resident.process
                var visit = Visit(method, server, isResident: isResident, progress, recorder, random)
                tally.visited(try visit.run())
                random = visit.random
            }
        }
    }

    func stay() { progress.phase = .staying }
}

extension HTTPWatcher: RoundWatcher {
    func end(_ version: Version) async throws {
        await recorder.recordEnd(of: version) { progress.last }
        progress.phase = .over
        try await thread.stop()
    }
}

/// The version that a client has, and what it is to do.
final class Progress: Sendable {
    enum Phase: UInt8, AtomicRepresentable { case roaming, staying, over }

    private let state = Atomic(Phase.roaming)
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
