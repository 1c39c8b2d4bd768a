/// The text in which a monitoring system reads metrics.
struct MetricsPage {
    enum Format {
        /// OpenMetrics 1.0.0.
        case openMetrics
        /// Prometheus, 0.0.4.
        case prometheus

        var contentType: String {
            switch self {
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            }
        }
    }

    enum Kind: String { case counter, gauge, histogram, info }

    private let format: Format
    private(set) var bytes: [UInt8] = []

    init(_ format: Format) { self.format = format }

    /// Begins a family of metrics; its samples follow.
    ///
    /// - Parameter name: without `_total` or `_info`, which the samples of a counter or of information have.
    mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        var (name, kindName) = (name, kind.rawValue)
        if format == .prometheus {
            // Older readers know neither kind, nor the family's name without the ending.
            if kind == .counter { name += "_total" }
            if kind == .info { (name, kindName) = (name + "_info", "gauge") }
        }
        append("# HELP \(name) \(help)\n# TYPE \(name) \(kindName)\n")
    }

    /// Adds a sample of the family.
    mutating func add(_ name: String, _ value: some Numeric, _ labels: (String, String)...) {
        append(name)
        for (index, label) in labels.enumerated() {
            append("\(index == 0 ? "{" : ",")\(label.0)=\"\(Self.escaped(label.1))\"")
        }
        append("\(labels.isEmpty ? "" : "}") \(value)\n")
    }

    mutating func end() { if format == .openMetrics { append("# EOF\n") } }

    private mutating func append(_ text: String) { bytes += text.utf8 }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
