import HTTPMessages
import MicroHTTPD
import Synchronization

/// How many requests there were, by method, route and status; all have few values, whatever clients send.
final class RequestCounts: Sendable {
    enum RouteLabel: Int, CaseIterable {
        case text, list, metrics, alive, ready, contract, other

        var name: String {
            switch self {
            case .text: "/shared/{name}"
            case .list: "/shared/"
            case .metrics: "/metrics"
            case .alive: "/livez"
            case .ready: "/readyz"
            case .contract: "/openapi.yaml"
            case .other: "other"
            }
        }
    }

    enum MethodLabel: Int, CaseIterable {
        case get, head, put, delete, options, other

        init(_ method: HTTPMessages.Method?) {
            switch method {
            case .get: self = .get
            case .head: self = .head
            case .put: self = .put
            case .delete: self = .delete
            case .options: self = .options
            case .other, nil: self = .other
            }
        }

        var name: String { self == .other ? "other" : "\(self)".uppercased() }
    }

    private static let statusCount = 32
    private let counts = InlineArray<1344, Atomic<Int>> { _ in Atomic(0) }

    func count(_ method: MethodLabel, _ route: RouteLabel, _ status: Status) {
        counts[Self.index(method, route, status)].add(1, ordering: .relaxed)
    }

    private static func index(_ method: MethodLabel, _ route: RouteLabel, _ status: Status) -> Int {
        (method.rawValue * RouteLabel.allCases.count + route.rawValue) * statusCount + status.index
    }

    /// Those that have occurred.
    var all: [(method: MethodLabel, route: RouteLabel, status: Status, count: Int)] {
        var all: [(MethodLabel, RouteLabel, Status, Int)] = []
        for method in MethodLabel.allCases {
            for route in RouteLabel.allCases {
                for status in Status.allCases {
                    let count = counts[Self.index(method, route, status)].load(ordering: .relaxed)
                    if count > 0 { all.append((method, route, status, count)) }
                }
            }
        }
        return all
    }
}

extension Route {
    var label: RequestCounts.RouteLabel {
        switch self {
        case .segment, .missing: .text
        case .list: .list
        case .metrics: .metrics
        case .alive: .alive
        case .ready: .ready
        case .contract: .contract
        case .page, .server: .other
        }
    }
}
