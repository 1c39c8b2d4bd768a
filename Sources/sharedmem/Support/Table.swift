/// Rows of cells in columns that are as wide as their widest cell, two blanks apart, for people.
enum Table {
    enum Alignment { case left, right }

    /// - Parameters:
    ///   - rows: the last cell of each is printed as it is; a row with fewer cells than the first ends with a remark.
    ///   - alignments: of the columns; left for those that have none here.
    static func text(_ rows: [[String]], _ alignments: [Alignment] = []) -> String {
        let count = rows.first?.count ?? 0
        let widths = (0..<count).map { column in
            rows.filter { $0.count == count || column == 0 }.map { $0[column].count }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let room = String(repeating: " ", count: max(0, widths[column] - cell.count))
                if column < alignments.count, alignments[column] == .right, row.count == count { return room + cell }
                return column < row.count - 1 ? cell + room : cell
            }
            return printable(cells.joined(separator: "  ")) + "\n"
        }.joined()
    }
}
