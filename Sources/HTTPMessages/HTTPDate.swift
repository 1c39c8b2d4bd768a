internal import Glibc

/// Dates of HTTP (RFC 9110, 5.6.7), in seconds since 1970.
package enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Writes a date as `Sun, 06 Nov 1994 08:49:37 GMT`; for the years 1970 to 9999.
    package static func format(_ seconds: Int64) -> String {
        let (day, second) = Int(seconds).quotientAndRemainder(dividingBy: 86400)
        let date = CivilDate(dayOfEpoch: day)
        return "\(days[day % 7]), \(twoDigits(date.day)) \(months[date.month - 1]) \(date.year) "
            + "\(twoDigits(second / 3600)):\(twoDigits(second / 60 % 60)):\(twoDigits(second % 60)) GMT"
    }

    private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    /// Reads the three forms that a recipient must accept; nil for anything else.
    package static func parse(_ text: Span<UInt8>) -> Int64? {
        // The letters of the day's name make no difference to the date.
        var start = 0
        while start < text.count, Span.isLetter(text[start]) { start += 1 }
        guard start >= 3 else { return nil }
        let rest = text.extracting(start..<text.count)
        if rest.hasForm(", 00 xxx 0000 00:00:00 GMT") {
            return seconds(rest, year: number(rest, 9..<13), monthAt: 5, dayAt: 2, timeAt: 14)
        }
        if rest.hasForm(", 00-xxx-00 00:00:00 GMT") {
            return seconds(rest, year: fullYear(number(rest, 9..<11)), monthAt: 5, dayAt: 2, timeAt: 12)
        }
        guard rest.hasForm(" xxx 00 00:00:00 0000") || rest.hasForm(" xxx  0 00:00:00 0000") else { return nil }
        return seconds(rest, year: number(rest, 17..<21), monthAt: 1, dayAt: 5, timeAt: 8)
    }

    /// Reads digits; a space counts as 0.
    private static func number(_ text: Span<UInt8>, _ range: Range<Int>) -> Int {
        range.reduce(0) { $0 * 10 + Int(text[$1] & 0xf) }
    }

    /// Reads the fields at these offsets, and the time from `timeAt` on; nil if there is no such moment.
    private static func seconds(_ text: Span<UInt8>, year: Int, monthAt: Int, dayAt: Int, timeAt: Int) -> Int64? {
        let name = text.extracting(monthAt..<monthAt + 3)
        let hour = number(text, timeAt..<timeAt + 2)
        let minute = number(text, timeAt + 3..<timeAt + 5)
        let second = number(text, timeAt + 6..<timeAt + 8)
        guard hour < 24, minute < 60, second <= 60,
            let month = months.firstIndex(where: { name.equals($0.utf8Span.span) }),
            let day = CivilDate(year: year, month: month + 1, day: number(text, dayAt..<dayAt + 2)).dayOfEpoch
        else { return nil }
        return Int64(day * 86400 + hour * 3600 + minute * 60 + second)
    }

    /// Completes a year of two digits: one that seems to be more than 50 years ahead is in the past.
    private static func fullYear(_ year: Int) -> Int {
        let currentYear = CivilDate(dayOfEpoch: time(nil) / 86400).year
        let candidate = currentYear / 100 * 100 + year
        return candidate > currentYear + 50 ? candidate - 100 : candidate
    }
}
