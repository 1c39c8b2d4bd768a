import Foundation

public struct RawResponse {
    public let status: Int
    public let fields: [(name: String, value: String)]
    public internal(set) var body: [UInt8] = []

    init(head: String) throws {
        let lines = head.components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else { throw NotHTTP(head: head) }
        self.status = status
        fields = try lines.dropFirst().map { line in
            guard let colon = line.firstIndex(of: ":") else { throw NotHTTP(head: head) }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            return (String(line[..<colon]), value)
        }
    }

    public subscript(name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }

    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The members of a problem document; empty for any other body.
    public var problem: [String: any Sendable] {
        guard self["Content-Type"] == "application/problem+json" else { return [:] }
        return (try? JSONSerialization.jsonObject(with: Data(body)) as? [String: any Sendable]) ?? [:]
    }
}

public struct NotHTTP: Error { let head: String }
