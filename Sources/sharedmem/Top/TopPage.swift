import HTTPMessages
import LinuxSystem
import SharedMemory

/// The list that `top` shows at a moment, for people and as JSON.
struct TopPage {
    let list: TopList
    let order: TopOrder

    private static let header = ["NAME", "BYTES", "CAP", "VERSION", "CHG/S", "ATT", "AGE", "BY"]
    private static let alignments: [Table.Alignment] = [.left, .right, .right, .right, .right, .right, .right, .left]
    /// Wide enough for all columns but the first with common values.
    private static let otherColumns = 52

    private var summary: String {
        let count = list.entries.count
        let unreadable = list.unreadable.isEmpty ? "" : ", and \(list.unreadable.count) that cannot be read"
        return "\(count) segment\(count == 1 ? "" : "s") in \(list.path)\(unreadable), by \(order.rawValue)"
    }

    // MARK: For people

    /// - Parameter size: of the screen; nil for all segments in lines of any width.
    func lines(_ size: (rows: Int, columns: Int)?, _ style: Style) -> [String] {
        // The summary, the header and the keys take a line each.
        let room = size.map { max(0, $0.rows - 3) } ?? .max
        let shown = list.sorted(by: order).prefix(room)
        let rows = [Self.header] + shown.map { row($0, size) }
        let table = Table.text(rows, Self.alignments).split(separator: "\n").map(String.init)
        let width = size?.columns ?? .max
        func fitted(_ line: String) -> String { String(printable(line).prefix(width)) }
        return [fitted(summary), style.inverted(fitted(table[0]))] + table.dropFirst().map(fitted)
    }

    /// The keys, for the last line of the screen.
    func keys(_ columns: Int, _ style: Style) -> String {
        style.bold(String("n name  c changes  b bytes  a attached  q quit".prefix(columns)))
    }

    private func row(_ entry: TopEntry, _ size: (rows: Int, columns: Int)?) -> [String] {
        [
            Self.shortened(entry.glance.name, to: size.map { max(8, $0.columns - Self.otherColumns) } ?? .max),
            "\(entry.byteCount)", Self.bytes(entry.glance.capacity), "\(entry.version.number)",
            entry.changesPerSecond.map(Self.rate) ?? "-", entry.attachmentCount.map { "\($0)" } ?? "-",
            entry.changed.map(Self.age) ?? "never", entry.setter?.program ?? "",
        ]
    }

    private static func shortened(_ name: String, to width: Int) -> String {
        name.count > width ? name.prefix(width - 1) + "…" : name
    }

    private static func bytes(_ count: Int) -> String {
        for (unit, shift) in [("G", 30), ("M", 20), ("K", 10)] where count >= 1 << shift && count % (1 << shift) == 0 {
            return "\(count >> shift)\(unit)"
        }
        return "\(count)"
    }

    private static func rate(_ rate: Double) -> String {
        rate >= 9.95 || rate == 0 ? "\(Int64(exactly: rate.rounded()) ?? .max)" : "\((rate * 10).rounded() / 10)"
    }

    /// How long ago a moment was, in the largest unit.
    private static func age(_ moment: Timestamp) -> String {
        let now = Clock.realtimeNanoseconds
        let seconds = now > moment.nanosecondsSince1970 ? (now - moment.nanosecondsSince1970) / 1_000_000_000 : 0
        for (unit, length) in [("d", 86400), ("h", 3600), ("m", 60)] as [(String, UInt64)] where seconds >= length {
            return "\(seconds / length)\(unit)"
        }
        return "\(seconds)s"
    }

    // MARK: For programs

    /// A JSON object on one line.
    func json() throws -> String {
        let time = InternetDate.format(millisecondsSince1970: Clock.realtimeNanoseconds / 1_000_000)
        return try encodedLine(
            Moment(time: time, directory: list.path, segments: list.sorted(by: order).map(Self.object)))
    }

    private struct Moment: Encodable {
        let time: String
        let directory: String
        let segments: [Combined<SegmentSummary, Measured>]
    }

    private struct Measured: Encodable {
        let changesPerSecond: Double?
        let attachmentCount: Int?
    }

    private static func object(_ entry: TopEntry) -> Combined<SegmentSummary, Measured> {
        let summary = SegmentSummary(
            name: entry.glance.name, version: "\(entry.version)", bytes: entry.byteCount,
            capacity: entry.glance.capacity, changed: entry.changed?.rfc3339,
            setBy: entry.setter.map(SegmentReport.Setter.init))
        return Combined(
            summary, Measured(changesPerSecond: entry.changesPerSecond, attachmentCount: entry.attachmentCount))
    }
}
