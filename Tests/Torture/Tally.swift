import SharedMemory
import Synchronization
import TestSupport

/// Counts where processes were killed, and how much was checked.
final class Tally: Sendable {
    private struct Counts {
        var atPoints: [PausePoint: [Interface: Int]] = [:]
        var anywhere: [Interface: Int] = [:]
        var stops = 0
        var operations = 0
        var sightings: [History.Operation.Interface: Int] = [:]
        var visits: [Visit.End: Int] = [:]
    }

    private let counts = Mutex(Counts())

    func killed(at point: PausePoint, _ interface: Interface) {
        counts.withLock { $0.atPoints[point, default: [:]][interface, default: 0] += 1 }
    }

    func killedAnywhere(_ interface: Interface) { counts.withLock { $0.anywhere[interface, default: 0] += 1 } }

    func stopped() { counts.withLock { $0.stops += 1 } }

    func visited(_ end: Visit.End) { counts.withLock { $0.visits[end, default: 0] += 1 } }

    func checked(_ history: History) {
        counts.withLock { counts in
            counts.operations += history.operations.count { $0.kind == .read || $0.kind == .set }
            for operation in history.operations where operation.kind == .watch {
                counts.sightings[operation.interface, default: 0] += 1
            }
        }
    }

    var total: Int {
        counts.withLock { counts in
            counts.atPoints.values.reduce(0) { $0 + $1.values.reduce(0, +) } + counts.anywhere.values.reduce(0, +)
        }
    }

    /// As a table.
    func report() -> String {
        let counts = counts.withLock { $0 }
        func row(_ title: String, _ cells: [String]) -> String {
            ([title.padding(22)] + cells.map { String(repeating: " ", count: max(9 - $0.count, 0)) + $0 }).joined()
        }
        var lines = [row("killed at", Interface.allCases.map(\.rawValue))]
        for (point, interfaces) in counts.atPoints.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            lines.append(row(point.rawValue, Interface.allCases.map { interfaces[$0].map { "\($0)" } ?? "-" }))
        }
        lines.append(row("anywhere", Interface.allCases.map { "\(counts.anywhere[$0] ?? 0)" }))
        let sightings = History.Operation.Interface.allCases.map { "\($0) \(counts.sightings[$0] ?? 0)" }
        let visits = Visit.End.allCases.map { "\($0) \(counts.visits[$0] ?? 0)" }
        lines += [
            "\(total) killed, \(counts.stops) stopped for a while; \(counts.operations) reads and sets checked",
            "versions that watchers saw: \(sightings.joined(separator: ", "))",
            "connections of HTTP watchers: \(visits.joined(separator: ", "))",
        ]
        return lines.joined(separator: "\n")
    }
}

extension String {
    fileprivate func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(width - count, 0)) }
}
