/// Which lines two texts have in common, in order.
///
/// Lines that both texts have exactly once anchor the comparison. Between anchors, the shortest difference is found, unless
/// that would take long: then everything between the anchors counts as changed. So the cost stays near that of sorting the
/// lines, and the result is correct, if not always the shortest, for any two texts.
struct LineDiff {
    /// Ascending pairs of indices.
    private(set) var matches: [(old: Int, new: Int)] = []
    let old: [Substring]
    let new: [Substring]

    /// The most lines between two anchors for which the shortest difference is found; takes milliseconds.
    private static let exactLimit = 1000
    /// How often what is between two anchors is searched for further anchors.
    private static let depthLimit = 50

    init(_ old: [Substring], _ new: [Substring]) {
        (self.old, self.new) = (old, new)
        compare(old.indices, new.indices, depth: 0)
    }

    /// The lines of the text, each with its line feed; the last one may have none.
    static func lines(of text: String) -> [Substring] {
        var lines: [Substring] = []
        let bytes = text.utf8
        var start = bytes.startIndex
        while let feed = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let next = bytes.index(after: feed)
            lines.append(text[start..<next])
            start = next
        }
        if start < bytes.endIndex { lines.append(text[start...]) }
        return lines
    }

    /// Whether two lines have the same bytes: for Swift, other bytes may be the same characters.
    static func areEqual(_ one: Substring, _ other: Substring) -> Bool { one.utf8.elementsEqual(other.utf8) }

    // MARK: Comparing

    private mutating func compare(_ oldRange: Range<Int>, _ newRange: Range<Int>, depth: Int) {
        var (olds, news) = (oldRange, newRange)
        while let (one, other) = Self.firsts(olds, news), Self.areEqual(old[one], new[other]) {
            matches.append((one, other))
            (olds, news) = (olds.dropFirst(), news.dropFirst())
        }
        var tail: [(old: Int, new: Int)] = []
        while let one = olds.last, let other = news.last, Self.areEqual(old[one], new[other]) {
            tail.append((one, other))
            (olds, news) = (olds.dropLast(), news.dropLast())
        }
        compareMiddle(olds, news, depth)
        matches += tail.reversed()
    }

    private static func firsts(_ olds: Range<Int>, _ news: Range<Int>) -> (Int, Int)? {
        olds.isEmpty || news.isEmpty ? nil : (olds.lowerBound, news.lowerBound)
    }

    private mutating func compareMiddle(_ olds: Range<Int>, _ news: Range<Int>, _ depth: Int) {
        guard !olds.isEmpty, !news.isEmpty else { return }
        let anchors = depth < Self.depthLimit ? anchors(olds, news) : []
        if anchors.isEmpty {
            if olds.count + news.count <= Self.exactLimit { compareExactly(olds, news) }
            return
        }
        var (oldStart, newStart) = (olds.lowerBound, news.lowerBound)
        for anchor in anchors {
            compare(oldStart..<anchor.old, newStart..<anchor.new, depth: depth + 1)
            matches.append(anchor)
            (oldStart, newStart) = (anchor.old + 1, anchor.new + 1)
        }
        compare(oldStart..<olds.upperBound, newStart..<news.upperBound, depth: depth + 1)
    }

    private mutating func compareExactly(_ olds: Range<Int>, _ news: Range<Int>) {
        let difference = new[news].difference(from: old[olds], by: Self.areEqual)
        let (removed, inserted) = (Self.offsets(difference.removals), Self.offsets(difference.insertions))
        let kept = olds.indices.filter { !removed.contains($0 - olds.lowerBound) }
        let same = news.indices.filter { !inserted.contains($0 - news.lowerBound) }
        matches += zip(kept, same).map { ($0, $1) }
    }

    private static func offsets(_ changes: [CollectionDifference<Substring>.Change]) -> Set<Int> {
        Set(
            changes.map { change in
                switch change {
                case .insert(let offset, _, _), .remove(let offset, _, _): offset
                }
            })
    }

    // MARK: Anchors

    /// The longest ascending sequence of the lines that both ranges have exactly once.
    private func anchors(_ olds: Range<Int>, _ news: Range<Int>) -> [(old: Int, new: Int)] {
        let (oldPlaces, newPlaces) = (Self.places(old, olds), Self.places(new, news))
        let pairs = olds.compactMap { index -> (old: Int, new: Int)? in
            let line = Line(text: old[index])
            guard oldPlaces[line] == index, let place = newPlaces[line], place >= 0 else { return nil }
            return (index, place)
        }
        return Self.longestAscending(pairs)
    }

    private struct Line: Hashable {
        let text: Substring

        static func == (one: Line, other: Line) -> Bool { LineDiff.areEqual(one.text, other.text) }

        func hash(into hasher: inout Hasher) { for byte in text.utf8 { hasher.combine(byte) } }
    }

    /// Where each line is; −1 if it is there more than once.
    private static func places(_ lines: [Substring], _ range: Range<Int>) -> [Line: Int] {
        Dictionary(range.map { (Line(text: lines[$0]), $0) }) { _, _ in -1 }
    }

    /// Of pairs that ascend in `old`, the most that ascend in `new` too.
    private static func longestAscending(_ pairs: [(old: Int, new: Int)]) -> [(old: Int, new: Int)] {
        // The last pair of the best sequence of each length, and the pair before each pair.
        var ends: [Int] = []
        var before = [Int?](repeating: nil, count: pairs.count)
        for (index, pair) in pairs.enumerated() {
            var (low, high) = (0, ends.count)
            while low < high {
                let middle = (low + high) / 2
                if pairs[ends[middle]].new < pair.new { low = middle + 1 } else { high = middle }
            }
            before[index] = low > 0 ? ends[low - 1] : nil
            if low == ends.count { ends.append(index) } else { ends[low] = index }
        }
        var sequence: [(old: Int, new: Int)] = []
        var next = ends.last
        while let index = next {
            sequence.append(pairs[index])
            next = before[index]
        }
        return sequence.reversed()
    }
}
