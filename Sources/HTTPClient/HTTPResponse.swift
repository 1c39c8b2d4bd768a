/// The head of a response.
package struct HTTPResponse: Sendable {
    package let status: Int
    let isHTTP10: Bool
    /// Names in lower case.
    private let fields: [(name: String, value: String)]

    /// How the end of the body is found.
    enum Framing: Equatable {
        case length(Int)
        case chunks
        case connection
    }

    /// - Parameter head: without the empty line at its end.
    init(_ head: some Collection<UInt8>) throws(HTTPFault) {
        let lines = head.split(separator: UInt8(ascii: "\n")).map { line in
            line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        }
        guard let first = lines.first.map(Array.init), first.count >= 12, first.starts(with: Array("HTTP/1.".utf8)),
            first[8] == UInt8(ascii: " "), first[9...11].allSatisfy({ (48...57).contains($0) }),
            first.count == 12 || first[12] == UInt8(ascii: " ")
        else { throw .malformed(reason: "it does not begin with a status") }
        isHTTP10 = first[7] == UInt8(ascii: "0")
        status = first[9...11].reduce(0) { $0 * 10 + Int($1) - 48 }
        var fields: [(name: String, value: String)] = []
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else {
                throw .malformed(reason: "a line of its head has no name")
            }
            let value = line[colon...].dropFirst().drop { $0 == 32 || $0 == 9 }
            let end = value.lastIndex { $0 != 32 && $0 != 9 }.map { value.index(after: $0) } ?? value.startIndex
            fields.append(
                (
                    String(decoding: line[..<colon], as: UTF8.self).lowercased(),
                    String(decoding: value[..<end], as: UTF8.self)
                ))
        }
        self.fields = fields
    }

    /// The value of a field, with those of repeated fields joined by commas; nil if there is none.
    ///
    /// - Parameter name: in lower case.
    package subscript(name: String) -> String? {
        let values = fields.filter { $0.name == name }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }

    /// What is between the quotes of a strong `ETag`; nil if there is none.
    package var entityTag: String? {
        guard let tag = self["etag"], tag.hasPrefix("\""), tag.hasSuffix("\""), tag.utf8.count > 2 else { return nil }
        return String(tag.dropFirst().dropLast())
    }

    /// - Parameter method: the request's.
    func framing(for method: String) throws(HTTPFault) -> Framing {
        if method == "HEAD" || status == 204 || status == 304 || status < 200 { return .length(0) }
        if let coding = self["transfer-encoding"] {
            guard coding.lowercased() == "chunked" else {
                throw .malformed(reason: "its coding '\(coding)' is unknown")
            }
            return .chunks
        }
        let lengths = Set(fields.filter { $0.name == "content-length" }.map(\.value))
        guard let length = lengths.first else { return .connection }
        guard lengths.count == 1, length.utf8.allSatisfy({ (48...57).contains($0) }), let count = Int(length) else {
            throw .malformed(reason: "its length '\(lengths.sorted().joined(separator: ", "))' is no number")
        }
        return .length(count)
    }

    /// Whether the connection ends with this response.
    var endsConnection: Bool {
        let tokens = (self["connection"] ?? "").lowercased().split { $0 == "," || $0 == " " }
        return tokens.contains("close") || isHTTP10 && !tokens.contains("keep-alive")
    }
}
