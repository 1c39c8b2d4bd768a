import LinuxSystem
import Synchronization

/// A progress line on standard error, which appears after a second and is erased at the end; only on a terminal.
final class Progress: Sendable {
    private let words: String
    private let count = Atomic(0)
    private let total = Atomic(0)
    private let isShown = Atomic(false)

    private static let patienceMilliseconds: CInt = 1000
    private static let intervalMilliseconds: CInt = 200

    private init(_ words: String) { self.words = words }

    /// Does work that may take long.
    ///
    /// - Parameter words: what the line says, before the counts if there are any.
    static func show<Result: ~Copyable>(_ words: String, _ work: (Progress) throws -> Result) throws -> Result {
        let progress = Progress(words)
        guard ByteStream.standardError.isTerminal, Style.terminalIsCapable,
            let loop = try? BackgroundLoop(named: "sharedmem status", turn: { end in progress.turn(end) })
        else { return try work(progress) }
        defer { loop.stop() }
        return try work(progress)
    }

    func note(_ count: Int, of total: Int = 0) {
        self.count.store(count, ordering: .relaxed)
        self.total.store(total, ordering: .relaxed)
    }

    /// Waits until it is time to draw the line, and draws it; or erases it at the end, and returns false.
    private func turn(_ end: borrowing EventDescriptor) -> Bool {
        let isLine = isShown.load(ordering: .relaxed)
        let isOver = end.wait(timeoutMilliseconds: isLine ? Self.intervalMilliseconds : Self.patienceMilliseconds)
        if isOver, !isLine { return false }
        try? ByteStream.standardError.write(isOver ? Self.erase : Self.erase + line)
        isShown.store(true, ordering: .relaxed)
        return !isOver
    }

    private static let erase = "\r\u{1b}[K"

    private var line: String {
        let (count, total) = (count.load(ordering: .relaxed), total.load(ordering: .relaxed))
        return words + (total > 0 ? ": \(count) of \(total)" : count > 0 ? ": \(count)" : "") + " …"
    }
}
