/// The difference between two texts in the unified format of diff(1), which patch(1) reads.
struct UnifiedDiff {
    private let diff: LineDiff
    private let hunks: [Hunk]
    private static let contextLineCount = 3

    /// What changed, with the lines around it.
    private struct Hunk {
        var old: Range<Int>
        var new: Range<Int>
    }

    init(from old: String, to new: String) {
        diff = LineDiff(LineDiff.lines(of: old), LineDiff.lines(of: new))
        hunks = Self.hunks(diff)
    }

    var isEmpty: Bool { hunks.isEmpty }

    /// - Parameter style: colours, if the output is for a person.
    func text(from oldLabel: Label, to newLabel: Label, _ style: Style) -> String {
        guard !isEmpty else { return "" }
        var lines = [style.bold("--- \(oldLabel)") + "\n", style.bold("+++ \(newLabel)") + "\n"]
        for hunk in hunks { lines += text(of: hunk, style) }
        return lines.joined()
    }

    /// What one of the texts is called: a name and, behind a tab, where patch(1) does not look, a remark.
    struct Label: CustomStringConvertible {
        let name: String
        var remark = ""

        var description: String { printable(name) + (remark.isEmpty ? "" : "\t" + printable(remark)) }
    }

    // MARK: Hunks

    private static func hunks(_ diff: LineDiff) -> [Hunk] {
        var changes: [Hunk] = []
        var (old, new) = (0, 0)
        for match in diff.matches + [(diff.old.count, diff.new.count)] {
            if match.old > old || match.new > new { changes.append(Hunk(old: old..<match.old, new: new..<match.new)) }
            (old, new) = (match.old + 1, match.new + 1)
        }
        var hunks: [Hunk] = []
        for change in changes {
            // Between two changes, both texts have the same number of lines.
            if let last = hunks.last, change.old.lowerBound - last.old.upperBound <= 2 * contextLineCount {
                hunks[hunks.count - 1] = Hunk(
                    old: last.old.lowerBound..<change.old.upperBound, new: last.new.lowerBound..<change.new.upperBound)
            } else {
                hunks.append(change)
            }
        }
        return hunks.map { hunk in
            let before = min(contextLineCount, hunk.old.lowerBound)
            let after = min(contextLineCount, diff.old.count - hunk.old.upperBound)
            return Hunk(
                old: hunk.old.lowerBound - before..<hunk.old.upperBound + after,
                new: hunk.new.lowerBound - before..<hunk.new.upperBound + after)
        }
    }

    private func text(of hunk: Hunk, _ style: Style) -> [String] {
        var lines = [style.cyan("@@ -\(Self.place(hunk.old)) +\(Self.place(hunk.new)) @@") + "\n"]
        var (old, new) = (hunk.old.lowerBound, hunk.new.lowerBound)
        let first = diff.firstMatch(from: old)
        for match in diff.matches[first...].prefix(while: { $0.old < hunk.old.upperBound })
            + [(hunk.old.upperBound, hunk.new.upperBound)]
        {
            lines += diff.old[old..<match.old].map { Self.line("-", $0, style.red) }
            lines += diff.new[new..<match.new].map { Self.line("+", $0, style.green) }
            if match.old < hunk.old.upperBound { lines.append(Self.line(" ", diff.old[match.old]) { $0 }) }
            (old, new) = (match.old + 1, match.new + 1)
        }
        return lines
    }

    /// The first line, counted from 1, and the number of lines, unless that is 1.
    private static func place(_ range: Range<Int>) -> String {
        switch range.count {
        case 0: "\(range.lowerBound),0"
        case 1: "\(range.lowerBound + 1)"
        default: "\(range.lowerBound + 1),\(range.count)"
        }
    }

    private static func line(_ sign: String, _ line: Substring, _ paint: (String) -> String) -> String {
        let isWhole = line.utf8.last == UInt8(ascii: "\n")
        let content = isWhole ? line[..<line.utf8.index(before: line.utf8.endIndex)] : line
        return paint(sign + content) + (isWhole ? "\n" : "\n\\ No newline at end of file\n")
    }
}

extension LineDiff {
    /// The index of the first match at or after a line of the old text.
    fileprivate func firstMatch(from line: Int) -> Int {
        var (low, high) = (0, matches.count)
        while low < high {
            let middle = (low + high) / 2
            if matches[middle].old < line { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
