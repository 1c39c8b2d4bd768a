import LinuxSystem
import SharedMemory

/// A diagnosis for people.
extension Diagnosis {
    var page: String {
        let lines = [summary] + findings.flatMap { [""] + Self.lines($0) } + [""]
        return lines.map { printable($0) + "\n" }.joined() + Table.text(sides)
    }

    private var summary: String {
        let name = examination.place.name
        guard hasProblems else { return "Nothing is wrong with '\(name)'." }
        let count = findings.count(where: \.isProblem)
        return "\(count) problem\(count == 1 ? "" : "s") with '\(name)' in \(examination.place.directory)."
    }

    private static func lines(_ finding: Finding) -> [String] {
        [
            "\(finding.severity.rawValue): \(finding.cause.words)", "  about  \(finding.subject)",
            "  seen   \(finding.seen)",
            "  why    \(finding.why)",
        ] + finding.fix.map { "  fix    \($0)" }
    }

    // MARK: What both sides see

    private var sides: [[String]] {
        [["this process", ownSide]]
            + examination.users.map { user in
                [user.description, "\(user.path), inode \(user.file.inode)" + (user.isRemoved ? ", removed" : "")]
            }
    }

    private var ownSide: String {
        let path = examination.place.path
        guard let status = examination.fileStatus else { return "\(path), not there" }
        let text = examination.info.map { ", version \($0.version), \($0.byteCount) bytes" } ?? ""
        return "\(path), inode \(status.identity.inode)\(text)"
    }
}
