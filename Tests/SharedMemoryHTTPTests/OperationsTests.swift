import Foundation
import SharedMemoryHTTP
import TestTraits
import Testing

@Suite("Operations", .fewAtATime)
struct OperationsTests {
    private static let rows: [String: [String]] = {
        let path = URL(fileURLWithPath: ContractTests.path).deletingLastPathComponent()
            .appendingPathComponent("docs/operations.md")
        var rows: [String: [String]] = [:]
        for line in (try? String(contentsOf: path, encoding: .utf8))?.split(separator: "\n") ?? []
        where line.hasPrefix("| `--") {
            let cells = line.replacing("`", with: "").split(separator: "|").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            rows[cells[0].split(separator: " ")[0].description] = cells
        }
        return rows
    }()

    @Test("docs/operations.md lists each option with its variable and its default", arguments: ServerOption.all)
    func listed(option: ServerOption) throws {
        let cells = try #require(Self.rows["--\(option.name)"])
        #expect(cells[1] == option.variable)
        let isFlag = option.valueName == nil
        #expect(cells[2] == (isFlag ? "off" : option.defaultText ?? ""))
    }
}
