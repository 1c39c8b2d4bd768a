import ArgumentParser
import LinuxSystem
import SharedMemory

struct InfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Show a segment's capacity, version, memory, pins and attached processes.",
        discussion: """
            Does not create the segment, and does not keep it alive. Pins are held by the open borrows and readers of \
            all processes. A process takes a row when it first reads in place or sets the text; others are listed as far as \
            you may see them in /proc.
            """)

    @OptionGroup var segment: SegmentArguments

    @Flag(help: "Print a JSON object.")
    var json = false

    func run() throws {
        let info = try Segment.info(
            segment.chosenName, directory: segment.location.directory, trustedOwners: try segment.location.trusted)
        let processes = try Progress.show("Looking at the processes on this host") { _ in
            try Segment.processes(
                segment.chosenName, directory: segment.location.directory, trustedOwners: try segment.location.trusted)
        }
        let object = Combined(SegmentSummary(info), SegmentReport(info, processes))
        try ByteStream.standardOutput.write(json ? try encoded(object) : Self.page(info, processes))
    }

    private static func description(_ replication: Replication) -> String {
        guard replication.isUnderWay else { return "yes, but no server is replicating it now" }
        return "yes, by the server" + (replication.url.map { " at \($0)" } ?? "")
    }

    private static func page(_ info: SegmentInfo, _ processes: [SegmentProcess]) -> String {
        let report = SegmentReport(info, processes)
        var rows: [[String]] = [
            ["name", info.name],
            ["path", info.path],
            ["capacity", "\(info.capacity) bytes"],
            ["text", "\(info.byteCount) bytes"],
            ["version", "\(info.version)"],
            ["set", info.version.number == 0 ? "never" : report.publicationTime],
            [
                "set by",
                report.setter.map { "\($0.program), process \($0.processID), user \($0.user)" } ?? "nobody",
            ],
            ["replica", info.replication.map(Self.description) ?? "no"],
            ["created", report.creationTime],
            ["lifetime", info.lifetime == .persistent ? "persistent" : "while attached"],
            ["mode", "\(report.mode), owner \(info.owner), group \(info.group)"],
            ["memory", "\(info.memoryByteCount) bytes"],
            ["pins", "\(info.pinCount) of \(info.pinLimit)"],
            ["rows", "\(info.attached.count) of \(info.rowLimit)"],
        ]
        rows += report.attached.map {
            ["", "\($0.program), process \($0.processID), since \($0.attachmentTime)"]
        }
        rows.append(["attached", info.attachmentCount.map { "\($0)" } ?? "unknown"])
        rows += (report.withoutRow ?? []).map { ["", "\($0.program), process \($0.processID), without a row"] }
        return Table.text(rows)
    }
}
