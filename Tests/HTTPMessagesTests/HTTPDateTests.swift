import Foundation
import Testing

@testable import HTTPMessages

@Suite("HTTP dates")
struct HTTPDateTests {
    func parse(_ text: String) -> Int64? { HTTPDate.parse(text.bytes.span) }

    @Test(
        "The three forms of a date name the same moment",
        arguments: [
            "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
        ])
    func forms(text: String) {
        #expect(parse(text) == 784_111_777)
    }

    @Test(
        "A date is written in the form that RFC 9110 prefers",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_709_164_799, "Wed, 28 Feb 2024 23:59:59 GMT"), (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ])
    func format(seconds: Int64, text: String) {
        #expect(HTTPDate.format(seconds) == text)
    }

    @Test("A date is written as Foundation writes it, and read back in all three forms")
    func roundTrip() {
        let formatters = ["EEE, dd MMM yyyy HH:mm:ss 'GMT'", "EEEE, dd-MMM-yy HH:mm:ss 'GMT'"].map { format in
            let formatter = DateFormatter()
            formatter.locale = Locale(identifier: "en_US_POSIX")
            formatter.timeZone = TimeZone(identifier: "GMT")
            formatter.dateFormat = format
            return formatter
        }
        for index in 0..<2000 {
            let seconds = Int64(index) * 12_345_679 + Int64(index)
            let date = Date(timeIntervalSince1970: Double(seconds))
            let text = HTTPDate.format(seconds)
            #expect(parse(text) == seconds)
            #expect(formatters[0].string(from: date) == text)
            // Two digits of a year are enough for half a century before and after today.
            if abs(date.timeIntervalSinceNow) < 49 * 365 * 86400 {
                #expect(parse(formatters[1].string(from: date)) == seconds)
            }
            // "Sun, 06 Nov 1994 08:49:37 GMT" in the form of asctime: "Sun Nov  6 08:49:37 1994".
            let words = text.dropLast(4).split(separator: " ")
            let day = words[1].hasPrefix("0") ? " " + words[1].dropFirst() : words[1]
            #expect(parse("\(words[0].dropLast()) \(words[2]) \(day) \(words[4]) \(words[3])") == seconds)
        }
    }

    @Test("Each day from 1970 to 2399 has its name, number, month and year")
    func everyDay() {
        let (days, months) = (Calendar.english.shortWeekdaySymbols, Calendar.english.shortMonthSymbols)
        var (year, month, day) = (1970, 1, 1)
        for count in 0..<157_054 {
            let isLeapYear = year % 4 == 0 && year % 100 != 0 || year % 400 == 0
            let date =
                "\(days[(count + 4) % 7]), \(day < 10 ? "0" : "")\(day) \(months[month - 1]) \(year) 00:00:00 GMT"
            if HTTPDate.format(Int64(count) * 86400) != date || parse(date) != Int64(count) * 86400 {
                Issue.record("\(date)")
            }
            day += 1
            if day > [31, isLeapYear ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] {
                (month, day) = (month + 1, 1)
            }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect(year == 2400)
    }

    @Test("A year of two digits is at most 50 years ahead")
    func twoDigits() {
        #expect(parse("Friday, 01-Jan-99 00:00:00 GMT") == 915_148_800)
        #expect(parse("Saturday, 01-Jan-00 00:00:00 GMT") == 946_684_800)
        let year = Calendar(identifier: .gregorian).component(.year, from: Date())
        let ahead = String(format: "%02d", (year + 50) % 100)
        let behind = String(format: "%02d", (year + 51) % 100)
        let (later, earlier) = (
            parse("Monday, 01-Jul-\(ahead) 00:00:00 GMT"), parse("Monday, 01-Jul-\(behind) 00:00:00 GMT")
        )
        #expect((later ?? 0) > Int64(Date().timeIntervalSince1970))
        #expect((earlier ?? .max) < Int64(Date().timeIntervalSince1970))
    }

    @Test("A leap second is the second after")
    func leapSecond() {
        #expect(parse("Sat, 31 Dec 2016 23:59:60 GMT") == parse("Sun, 01 Jan 2017 00:00:00 GMT"))
    }

    @Test("The name of the day makes no difference")
    func dayName() {
        #expect(parse("Mon, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
    }

    @Test(
        "Anything else is not a date",
        arguments: [
            "", "0", "-1", "yesterday", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 29 Feb 2023 08:49:37 GMT", "Sun, 29 Feb 2100 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06-Nov 94 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994", ", 06 Nov 1994 08:49:37 GMT", "Sun, ", "Sun", "Sun, 06 Nov 1994 08:49:37 GMTx",
            "Sun, 06 Nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun Nov  6 08:49:37 94", "Sun Nov  6 08:49:37 1994x", "Su, 06 Nov 1994 08:49:37 GMT",
            "S^n, 06 Nov 1994 08:49:37 GMT",
        ])
    func malformed(text: String) {
        #expect(parse(text) == nil)
    }

    @Test("The beginning of a date is not a date")
    func beginnings() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            for count in 0..<text.count {
                #expect(parse(String(text.prefix(count))) == nil)
            }
        }
    }
}

extension Calendar {
    fileprivate static var english: Calendar {
        var calendar = Calendar(identifier: .gregorian)
        calendar.locale = Locale(identifier: "en_US_POSIX")
        return calendar
    }
}
