/// Two texts that were made from the same one, merged as diff3(1) does it.
struct Merge {
    private(set) var text = ""

    static let markers = (mine: "<<<<<<< ", base: "||||||| ", middle: "=======", theirs: ">>>>>>> ")

    private let mineLabel: String
    private let baseLabel: String
    private let theirsLabel: String

    init(
        mine: String, _ mineLabel: String, base: String, _ baseLabel: String, theirs: String, _ theirsLabel: String
    ) {
        (self.mineLabel, self.baseLabel, self.theirsLabel) = (mineLabel, baseLabel, theirsLabel)
        let baseLines = LineDiff.lines(of: base)
        let mine = LineDiff(baseLines, LineDiff.lines(of: mine))
        let theirs = LineDiff(baseLines, LineDiff.lines(of: theirs))
        // A line of the base that both texts kept separates what comes before it from what comes after.
        let kept = Dictionary(uniqueKeysWithValues: theirs.matches.map { ($0.old, $0.new) })
        var position = (base: 0, mine: 0, theirs: 0)
        for match in mine.matches {
            guard let place = kept[match.old] else { continue }
            add(
                mine: mine.new[position.mine..<match.new], base: baseLines[position.base..<match.old],
                theirs: theirs.new[position.theirs..<place])
            text += baseLines[match.old]
            position = (match.old + 1, match.new + 1, place + 1)
        }
        add(
            mine: mine.new[position.mine...], base: baseLines[position.base...],
            theirs: theirs.new[position.theirs...])
    }

    private mutating func add(mine: ArraySlice<Substring>, base: ArraySlice<Substring>, theirs: ArraySlice<Substring>) {
        func areEqual(_ one: ArraySlice<Substring>, _ other: ArraySlice<Substring>) -> Bool {
            one.elementsEqual(other, by: LineDiff.areEqual)
        }
        if areEqual(mine, base) || areEqual(mine, theirs) { return text += theirs.joined(separator: "") }
        if areEqual(theirs, base) { return text += mine.joined(separator: "") }
        text += Self.markers.mine + mineLabel + "\n" + Self.ended(mine)
        text += Self.markers.base + baseLabel + "\n" + Self.ended(base)
        text += Self.markers.middle + "\n" + Self.ended(theirs)
        text += Self.markers.theirs + theirsLabel + "\n"
    }

    /// The lines, of which the last gets a line feed if it has none: a marker follows.
    private static func ended(_ lines: ArraySlice<Substring>) -> String {
        let text = lines.joined(separator: "")
        return text.isEmpty || text.utf8.last == UInt8(ascii: "\n") ? text : text + "\n"
    }

    /// Whether the text still has the markers of a conflict.
    static func hasMarkers(_ text: String) -> Bool {
        let lines = LineDiff.lines(of: text)
        return [markers.mine, markers.base, markers.theirs].contains { marker in
            lines.contains { $0.utf8.starts(with: marker.utf8) }
        }
    }
}
