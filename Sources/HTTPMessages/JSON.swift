/// JSON (RFC 8259), written as bytes.
extension [UInt8] {
    /// Appends a string in its quotes; what a reader could take for something else is escaped.
    package mutating func append(jsonString text: String) {
        append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): self += [UInt8(ascii: "\\"), byte]
            case ..<0x20, 0x7f:
                self += Array("\\u00".utf8) + [Self.digits[Int(byte >> 4)], Self.digits[Int(byte & 15)]]
            default: append(byte)
            }
        }
        append(UInt8(ascii: "\""))
    }

    private static let digits = Array("0123456789abcdef".utf8)
}

extension InternetDate {
    /// Writes a moment with its milliseconds, such as `2026-12-31T23:59:59.250Z`.
    package static func format(millisecondsSince1970 milliseconds: UInt64) -> String {
        let seconds = Int(milliseconds / 1000)
        let date = CivilDate(dayOfEpoch: seconds / 86400)
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: Swift.max(0, count - text.utf8.count)) + text
        }
        let day = "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))"
        let time = "\(digits(seconds / 3600 % 24, 2)):\(digits(seconds / 60 % 60, 2)):\(digits(seconds % 60, 2))"
        return "\(day)T\(time).\(digits(Int(milliseconds % 1000), 3))Z"
    }
}
