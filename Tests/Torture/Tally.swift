import SharedMemory
import Synchronization
import TestSupport

/// How many processes were killed where.
final class Tally: Sendable {
    private struct Counts {
        var atSteps: [PausePoint: [Door: Int]] = [:]
        var atRandom: [Door: Int] = [:]
        var stops = 0
        var operations = 0
        var sightings: [History.Operation.Door: Int] = [:]
        var visits: [Visit.End: Int] = [:]
    }

    private let counts = Mutex(Counts())

    func killed(at step: PausePoint, _ door: Door) {
        counts.withLock { $0.atSteps[step, default: [:]][door, default: 0] += 1 }
    }

    func killedAtRandom(_ door: Door) { counts.withLock { $0.atRandom[door, default: 0] += 1 } }

    func stopped() { counts.withLock { $0.stops += 1 } }

    func visited(_ end: Visit.End) { counts.withLock { $0.visits[end, default: 0] += 1 } }

    func checked(_ history: History) {
        counts.withLock { counts in
            counts.operations += history.operations.count { $0.kind == .read || $0.kind == .set }
            for operation in history.operations where operation.kind == .watch {
                counts.sightings[operation.door, default: 0] += 1
            }
        }
    }

    func count(at step: PausePoint, _ door: Door) -> Int { counts.withLock { $0.atSteps[step]?[door] ?? 0 } }

    func countAtRandom(_ door: Door) -> Int { counts.withLock { $0.atRandom[door] ?? 0 } }

    var total: Int {
        counts.withLock { counts in
            counts.atSteps.values.reduce(0) { $0 + $1.values.reduce(0, +) } + counts.atRandom.values.reduce(0, +)
        }
    }

    /// As a table.
    func report() -> String {
        let counts = counts.withLock { $0 }
        func row(_ title: String, _ cells: [String]) -> String {
            ([title.padding(22)] + cells.map { String(repeating: " ", count: max(9 - $0.count, 0)) + $0 }).joined()
        }
        var lines = [row("killed at", Door.allCases.map(\.rawValue))]
        for (step, doors) in counts.atSteps.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            lines.append(row(step.rawValue, Door.allCases.map { doors[$0].map { "\($0)" } ?? "-" }))
        }
        lines.append(row("any moment", Door.allCases.map { "\(counts.atRandom[$0] ?? 0)" }))
        let sightings = History.Operation.Door.allCases.map { "\($0) \(counts.sightings[$0] ?? 0)" }
        let visits = Visit.End.allCases.map { "\($0) \(counts.visits[$0] ?? 0)" }
        lines += [
            "\(total) killed, \(counts.stops) stopped for a while; \(counts.operations) reads and sets checked",
            "texts that watchers were told of: \(sightings.joined(separator: ", "))",
            "connections of those who watch over HTTP: \(visits.joined(separator: ", "))",
        ]
        return lines.joined(separator: "\n")
    }
}

extension String {
    fileprivate func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(width - count, 0)) }
}
