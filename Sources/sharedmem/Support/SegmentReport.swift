import FoundationEssentials
import SharedMemory

/// What `info` and `list` report about a segment, as in their JSON; times are RFC 3339, in UTC.
struct SegmentReport: Encodable {
    let name: String
    let path: String
    let capacity: Int
    let byteCount: Int
    let version: String
    let publicationTime: String
    let creationTime: String
    let lifetime: String
    let mode: String
    let owner: UInt32
    let group: UInt32
    let memoryByteCount: Int
    let pinCount: Int
    let pinLimit: Int
    let rowLimit: Int
    let setter: Setter?
    let replication: Replication?
    /// The number of attachments, one for each process and kind of access; nil if it cannot be found out.
    let attachmentCount: Int?
    let attached: [Process]
    /// The processes that have the segment mapped and no row; nil if nobody looked for them.
    let withoutRow: [Setter]?

    struct Setter: Encodable {
        let processID: Int
        let user: UInt32
        let program: String

        init(processID: Int, user: UInt32, program: String) {
            (self.processID, self.user, self.program) = (processID, user, program)
        }

        init(_ setter: SettingProcess) {
            self.init(processID: setter.processID, user: setter.user, program: setter.program)
        }
    }

    struct Process: Encodable {
        let row: Int
        let processID: Int
        let user: UInt32
        let program: String
        let attachmentTime: String
    }

    struct Replication: Encodable {
        let url: String?
        let isUnderWay: Bool
    }

    init(_ info: SegmentInfo, _ processes: [SegmentProcess]? = nil) {
        name = info.name
        path = info.path
        capacity = info.capacity
        byteCount = info.byteCount
        version = "\(info.version)"
        publicationTime = info.publicationTime.rfc3339
        creationTime = info.creationTime.rfc3339
        lifetime = info.lifetime == .persistent ? "persistent" : "whileAttached"
        mode = String(info.mode, radix: 8)
        owner = info.owner
        group = info.group
        memoryByteCount = info.memoryByteCount
        pinCount = info.pinCount
        pinLimit = info.pinLimit
        rowLimit = info.rowLimit
        setter = info.setter.map(Setter.init)
        replication = info.replication.map { Replication(url: $0.url, isUnderWay: $0.isUnderWay) }
        attachmentCount = info.attachmentCount
        let haveRow = Set(info.attached.map(\.processID))
        withoutRow = processes?.filter { !haveRow.contains($0.processID) }
            .map { Setter(processID: $0.processID, user: $0.user, program: $0.program) }
        attached = info.attached.map {
            Process(
                row: $0.row, processID: $0.processID, user: $0.user, program: $0.program,
                attachmentTime: $0.attachmentTime.rfc3339)
        }
    }
}

/// JSON for people and programs, with a line feed at the end.
func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
}

/// JSON on one line, for programs that read lines.
func encodedLine(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
}

extension Timestamp {
    var rfc3339: String {
        let date = Date(timeIntervalSince1970: Double(nanosecondsSince1970) / 1e9)
        return date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
