import Synchronization

/// Counts what goes over the connections of a server; any thread may count at any time.
package final class TrafficMeter: Sendable {
    private let received = Atomic(0)
    private let sent = Atomic(0)
    private let nanoseconds = Atomic(0)
    /// By the first limit that a duration does not exceed; the last is for longer ones.
    private let durations = InlineArray<17, Atomic<Int>> { _ in Atomic(0) }

    /// In nanoseconds.
    package static let durationLimits = [
        100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
        250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]

    package init() {}

    /// - Parameter byteCount: of a request's body.
    func receive(_ byteCount: Int) { received.add(byteCount, ordering: .relaxed) }

    /// - Parameter byteCount: of a response's body, or of a part of an event stream.
    package func send(_ byteCount: Int) { sent.add(byteCount, ordering: .relaxed) }

    /// - Parameter nanoseconds: from the arrival of a request's head until its response is sent.
    func finish(after nanoseconds: Int) {
        let index = Self.durationLimits.firstIndex { nanoseconds <= $0 } ?? Self.durationLimits.count
        durations[index].add(1, ordering: .relaxed)
        self.nanoseconds.add(nanoseconds, ordering: .relaxed)
    }

    package var receivedByteCount: Int { received.load(ordering: .relaxed) }
    package var sentByteCount: Int { sent.load(ordering: .relaxed) }

    /// How many requests took up to each of ``durationLimits``, and how many in all.
    package var durationCounts: [Int] {
        var sum = 0
        return durations.indices.map { index in
            sum += durations[index].load(ordering: .relaxed)
            return sum
        }
    }

    /// The time that all of them took together, in nanoseconds.
    package var totalNanoseconds: Int { nanoseconds.load(ordering: .relaxed) }
}
