/// A value of JSON (RFC 8259), as it is read.
///
/// The decoder of Foundation would make the static command half a megabyte larger.
package enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// As it is written.
    case number(String)
    case string(String)
    case array([JSONValue])
    /// Of members with the same name, the last one counts.
    case object([String: JSONValue])

    /// Reads one value, and perhaps whitespace around it.
    ///
    /// - Returns: nil if it is not valid, or nested more than 64 deep.
    package init?(_ text: [UInt8]) {
        var reader = Reader(text)
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipWhitespace()
        guard reader.isAtEnd else { return nil }
        self = value
    }

    /// The member of an object; nil if there is none, or this is no object.
    package subscript(name: String) -> JSONValue? { if case .object(let members) = self { members[name] } else { nil } }

    /// The text of a string; nil for all other values.
    package var string: String? { if case .string(let text) = self { text } else { nil } }

    /// The elements of an array; nil for all other values.
    package var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }

    /// A number, or a string with one, as Protocol Buffers write integers of 64 bits; nil for all other values.
    package func integer<Integer: FixedWidthInteger>(_: Integer.Type = Integer.self) -> Integer? {
        switch self {
        case .number(let text), .string(let text): Integer(text)
        default: nil
        }
    }
}

private struct Reader {
    private let text: [UInt8]
    private var position = 0

    private static let depthLimit = 64

    init(_ text: [UInt8]) { self.text = text }

    var isAtEnd: Bool { position == text.count }

    private var next: UInt8? { position < text.count ? text[position] : nil }

    mutating func skipWhitespace() {
        while let next, next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { position += 1 }
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard next == byte.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func take<Value>(_ word: String, _ value: Value) -> Value? {
        guard text[position...].starts(with: word.utf8) else { return nil }
        position += word.utf8.count
        return value
    }

    mutating func value(depth: Int) -> JSONValue? {
        guard depth < Self.depthLimit else { return nil }
        skipWhitespace()
        switch next.map({ Character(Unicode.Scalar($0)) }) {
        case "n": return take("null", .null)
        case "t": return take("true", .bool(true))
        case "f": return take("false", .bool(false))
        case "\"": return string().map { .string($0) }
        case "[": return array(depth)
        case "{": return object(depth)
        default: return number()
        }
    }

    private mutating func array(_ depth: Int) -> JSONValue? {
        var elements: [JSONValue] = []
        position += 1
        skipWhitespace()
        if take("]") { return .array([]) }
        repeat {
            guard let element = value(depth: depth + 1) else { return nil }
            elements.append(element)
            skipWhitespace()
        } while take(",")
        return take("]") ? .array(elements) : nil
    }

    private mutating func object(_ depth: Int) -> JSONValue? {
        var members: [String: JSONValue] = [:]
        position += 1
        skipWhitespace()
        if take("}") { return .object([:]) }
        repeat {
            skipWhitespace()
            guard let name = string() else { return nil }
            skipWhitespace()
            guard take(":"), let member = value(depth: depth + 1) else { return nil }
            members[name] = member
            skipWhitespace()
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func digits() -> Bool {
        let start = position
        while let next, (0x30...0x39).contains(next) { position += 1 }
        return position > start
    }

    private mutating func number() -> JSONValue? {
        let start = position
        _ = take("-")
        let isZero = next == 0x30
        guard digits(), !isZero || text[start..<position].filter({ $0 != 0x2D }).count == 1 else { return nil }
        if take("."), !digits() { return nil }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard digits() else { return nil }
        }
        return .number(String(decoding: text[start..<position], as: UTF8.self))
    }

    private mutating func string() -> String? {
        guard take("\"") else { return nil }
        var bytes: [UInt8] = []
        var run = position
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                bytes += text[run..<position]
                position += 1
                return String(validating: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                bytes += text[run..<position]
                position += 1
                guard let scalar = escaped() else { return nil }
                bytes += Array(String(Character(scalar)).utf8)
                run = position
            case ..<0x20: return nil
            default: position += 1
            }
        }
        return nil
    }

    /// What follows a backslash.
    private mutating func escaped() -> Unicode.Scalar? {
        guard let byte = next else { return nil }
        position += 1
        switch Unicode.Scalar(byte) {
        case "\"", "\\", "/": return Unicode.Scalar(byte)
        case "b": return "\u{8}"
        case "f": return "\u{C}"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "u":
            guard let first = codeUnit() else { return nil }
            guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) }
            guard take("\\"), take("u"), let second = codeUnit(), (0xDC00..<0xE000).contains(second) else { return nil }
            return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        default: return nil
        }
    }

    private mutating func codeUnit() -> UInt32? {
        let digits = text[position...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        position += 4
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
