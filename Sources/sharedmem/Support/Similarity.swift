/// How much two names differ.
enum Similarity {
    /// Whether one is likely to be a misspelling of the other.
    static func isTypo(_ name: String, _ other: String) -> Bool {
        if name.lowercased() == other.lowercased() { return true }
        // In a short name, every character counts.
        let limit = min(name.count, other.count) < 5 ? 1 : 2
        return min(name.count, other.count) > 2 && distance(name, other) <= limit
    }

    /// The names of which one is likely to be a misspelling, the most similar first.
    static func near(_ name: String, in names: some Sequence<String>) -> [String] {
        names.filter { isTypo($0, name) }.sorted { (distance($0, name), $0) < (distance($1, name), $1) }
    }

    /// A question for the most similar name, such as ` Did you mean 'get'?`, or other words if none is similar.
    static func question(
        _ name: String, in names: some Sequence<String>, otherwise words: String = ""
    ) -> String {
        near(name, in: names).first.map { " Did you mean '\($0)'?" } ?? words
    }

    /// How many characters must be added, left out, changed, or exchanged with the next, to turn one into the other.
    static func distance(_ name: String, _ other: String) -> Int {
        let (a, b) = (Array(name.utf8), Array(other.utf8))
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                let isSame = a[i] == b[j]
                var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (isSame ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
