import LinuxSystem
import Synchronization

/// Writes the lines of the log on standard error, from a thread of its own: a log that cannot be written stops nothing.
///
/// Lines wait in memory, up to a limit; beyond it they are lost, and counted.
final class LogWriter: Sendable {
    private let state = Mutex(State())
    private let signal: EventDescriptor
    /// Retains the writer, which lasts as long as the process.
    private let loop = Mutex<BackgroundLoop?>(nil)
    private static let limit = 1 << 20

    private struct State {
        var waiting = ""
        var lostCount = 0
        /// Whether everything that was added has been written, or was tried.
        var isIdle = true
    }

    init() throws(SystemError) {
        signal = try EventDescriptor()
        let started = try BackgroundLoop(named: "sharedmem log") { [self] end in
            guard signal.wait(orUntil: end) else { return false }
            writeWaiting()
            return true
        }
        loop.withLock { $0 = started }
    }

    func write(_ line: String) {
        state.withLock { state in
            guard state.waiting.utf8.count + line.utf8.count <= Self.limit else { return state.lostCount += 1 }
            state.waiting += line
            state.isIdle = false
        }
        signal.signal()
    }

    private func writeWaiting() {
        while let (text, lostCount) = take() {
            try? ByteStream.standardError.write(text)
            if lostCount > 0 {
                try? ByteStream.standardError.write("sharedmem: \(lostCount) lines of the log were lost\n")
            }
        }
    }

    private func take() -> (String, Int)? {
        state.withLock { state in
            state.isIdle = state.waiting.isEmpty
            guard !state.isIdle else { return nil }
            defer { (state.waiting, state.lostCount) = ("", 0) }
            return (state.waiting, state.lostCount)
        }
    }

    /// Waits for at most a second until all lines have been written out.
    func flush() {
        let deadline = Clock.coarseMilliseconds + 1000
        while !state.withLock({ $0.isIdle }), Clock.coarseMilliseconds < deadline { BackgroundThread.pause() }
    }
}
