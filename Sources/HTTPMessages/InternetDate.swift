/// Dates as configuration files and JSON have them (RFC 3339), in seconds since 1970.
package enum InternetDate {
    /// Reads `2026-12-31T23:59:59Z`, also with an offset such as `+02:00` or a fraction of a second, which is cut off.
    package static func parse(_ text: Span<UInt8>) -> Int64? {
        guard text.count >= 20, text.extracting(first: 19).hasForm("0000-00-00x00:00:00"),
            [UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: " ")].contains(text[10])
        else { return nil }
        let (hour, minute, second) = (number(text, 11..<13), number(text, 14..<16), number(text, 17..<19))
        guard hour < 24, minute < 60, second <= 60,
            let day = CivilDate(year: number(text, 0..<4), month: number(text, 5..<7), day: number(text, 8..<10))
                .dayOfEpoch
        else { return nil }
        var end = 19
        if text[19] == UInt8(ascii: ".") {
            end = 20
            while end < text.count, Span.isDigit(text[end]) { end += 1 }
            if end == 20 { return nil }
        }
        guard let offset = offsetSeconds(text.extracting(end..<text.count)) else { return nil }
        return Int64(day * 86400 + hour * 3600 + minute * 60 + second - offset)
    }

    private static func offsetSeconds(_ text: Span<UInt8>) -> Int? {
        if text.equalsIgnoringCase("z") { return 0 }
        guard text.hasForm("x00:00"), text[0] == UInt8(ascii: "+") || text[0] == UInt8(ascii: "-") else { return nil }
        let (hour, minute) = (number(text, 1..<3), number(text, 4..<6))
        guard hour < 24, minute < 60 else { return nil }
        return (text[0] == UInt8(ascii: "-") ? -1 : 1) * (hour * 3600 + minute * 60)
    }

    private static func number(_ text: Span<UInt8>, _ range: Range<Int>) -> Int {
        range.reduce(0) { $0 * 10 + Int(text[$1] & 0xf) }
    }
}
