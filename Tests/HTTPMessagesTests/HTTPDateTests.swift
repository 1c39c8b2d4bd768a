import Foundation
import Testing

@testable import HTTPMessages

@Suite("HTTP dates")
struct DateTests {
    func parse(_ text: String) -> Int64? { HTTPDate.parse(Array(text.utf8).span) }

    @Test(
        "The three forms are the same moment",
        arguments: [
            "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
        ])
    func forms(text: String) {
        #expect(parse(text) == 784_111_777)
    }

    @Test("Formatted as RFC 9110 prefers it")
    func format() {
        #expect(HTTPDate.format(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.format(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.format(1_709_164_799) == "Wed, 28 Feb 2024 23:59:59 GMT")
        #expect(HTTPDate.format(1_709_164_800) == "Thu, 29 Feb 2024 00:00:00 GMT")
        #expect(HTTPDate.format(253_402_300_799) == "Fri, 31 Dec 9999 23:59:59 GMT")
    }

    @Test("What is formatted is parsed again, as Foundation does")
    func roundTrip() {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "GMT")
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        for index in 0..<2000 {
            let seconds = Int64(index) * 12_345_679 + Int64(index)
            let text = HTTPDate.format(seconds)
            #expect(parse(text) == seconds)
            #expect(formatter.string(from: Date(timeIntervalSince1970: Double(seconds))) == text)
        }
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

    @Test(
        "Everything else is no date",
        arguments: [
            "", "0", "-1", "yesterday", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 29 Feb 2023 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 94 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", ", 06 Nov 1994 08:49:37 GMT", "Sun, ", "Sun",
        ])
    func malformed(text: String) {
        #expect(parse(text) == nil)
    }
}
