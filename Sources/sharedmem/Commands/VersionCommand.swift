import ArgumentParser
import LinuxSystem
import SharedMemory

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version of this program, and of the layout of its segments.",
        discussion: "Programs that share a segment need the same layout version.")

    @Flag(help: "Print a JSON object.")
    var json = false

    private struct Report: Encodable {
        let version = Release.version
        let layout = Release.layoutVersion
    }

    func run() throws {
        let report = Report()
        try ByteStream.standardOutput.write(
            json ? encoded(report) : "sharedmem \(report.version), layout version \(report.layout)\n")
    }
}
