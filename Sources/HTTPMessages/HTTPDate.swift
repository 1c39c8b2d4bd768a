internal import Glibc

/// Dates of HTTP (RFC 9110, 5.6.7), in seconds since 1970.
package enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Writes a date as `Sun, 06 Nov 1994 08:49:37 GMT`; for the years 1970 to 9999.
    package static func format(_ seconds: Int64) -> String {
        let day = seconds / 86400
        let (hour, minute, second) = (seconds % 86400 / 3600, seconds % 3600 / 60, seconds % 60)
        let date = CivilDate(dayOfEpoch: Int(day))
        return "\(days[Int(day % 7)]), \(digits(date.day, 2)) \(months[date.month - 1]) \(digits(date.year, 4)) "
            + "\(digits(Int(hour), 2)):\(digits(Int(minute), 2)):\(digits(Int(second), 2)) GMT"
    }

    private static func digits(_ value: Int, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(count - text.count, 0)) + text
    }
}

// MARK: Parsing

extension HTTPDate {
    /// Reads the three forms that a recipient must accept; nil for anything else.
    package static func parse(_ text: Span<UInt8>) -> Int64? {
        var scanner = DateScanner()
        guard scanner.skipDayName(text) else { return nil }
        // "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"
        if scanner.skip(", ", text) {
            guard let day = scanner.number(2, text) else { return nil }
            let isObsolete = scanner.skip("-", text)
            guard isObsolete || scanner.skip(" ", text), let month = scanner.month(text),
                scanner.skip(isObsolete ? "-" : " ", text),
                var year = scanner.number(isObsolete ? 2 : 4, text), scanner.skip(" ", text),
                let second = scanner.timeOfDay(text), scanner.skip(" GMT", text), scanner.isAtEnd(text)
            else { return nil }
            if isObsolete { year = fullYear(year) }
            return seconds(year, month, day, second)
        }
        guard scanner.skip(" ", text), let month = scanner.month(text), scanner.skip(" ", text),
            let day = scanner.skip(" ", text) ? scanner.number(1, text) : scanner.number(2, text),
            scanner.skip(" ", text), let second = scanner.timeOfDay(text), scanner.skip(" ", text),
            let year = scanner.number(4, text), scanner.isAtEnd(text)
        else { return nil }
        return seconds(year, month, day, second)
    }

    private static func seconds(_ year: Int, _ month: Int, _ day: Int, _ secondOfDay: Int) -> Int64? {
        guard let day = CivilDate(year: year, month: month, day: day).dayOfEpoch else { return nil }
        return Int64(day * 86400 + secondOfDay)
    }

    /// Completes a year of two digits: one that seems to be more than 50 years ahead is in the past.
    private static func fullYear(_ year: Int) -> Int {
        let currentYear = CivilDate(dayOfEpoch: time(nil) / 86400).year
        let candidate = currentYear / 100 * 100 + year
        return candidate > currentYear + 50 ? candidate - 100 : candidate
    }

    static func monthNumber(_ name: Span<UInt8>) -> Int? {
        for (index, month) in months.enumerated() where name.equals(month.utf8Span.span) { return index + 1 }
        return nil
    }
}

/// Reads a date piece by piece.
private struct DateScanner {
    private var position = 0

    func isAtEnd(_ text: Span<UInt8>) -> Bool { position == text.count }

    /// Skips the letters of a day's name, which make no difference to the date.
    mutating func skipDayName(_ text: Span<UInt8>) -> Bool {
        while position < text.count, (UInt8(ascii: "A")...UInt8(ascii: "z")).contains(text[position]) { position += 1 }
        return position >= 3
    }

    mutating func skip(_ expected: StaticString, _ text: Span<UInt8>) -> Bool {
        guard text.extracting(position..<text.count).starts(with: expected) else { return false }
        position += expected.utf8CodeUnitCount
        return true
    }

    mutating func number(_ digitCount: Int, _ text: Span<UInt8>) -> Int? {
        guard position + digitCount <= text.count else { return nil }
        var value = 0
        for _ in 0..<digitCount {
            guard Span.isDigit(text[position]) else { return nil }
            value = value * 10 + Int(text[position] - UInt8(ascii: "0"))
            position += 1
        }
        return value
    }

    mutating func month(_ text: Span<UInt8>) -> Int? {
        guard position + 3 <= text.count else { return nil }
        position += 3
        return HTTPDate.monthNumber(text.extracting(position - 3..<position))
    }

    mutating func timeOfDay(_ text: Span<UInt8>) -> Int? {
        guard let hour = number(2, text), skip(":", text), let minute = number(2, text), skip(":", text),
            let second = number(2, text), hour < 24, minute < 60, second <= 60
        else { return nil }
        return hour * 3600 + minute * 60 + second
    }
}

/// A day of the Gregorian calendar.
private struct CivilDate {
    let year: Int
    let month: Int
    let day: Int

    init(year: Int, month: Int, day: Int) {
        (self.year, self.month, self.day) = (year, month, day)
    }

    /// Counts in eras of 400 years, each of which begins on March 1.
    init(dayOfEpoch: Int) {
        let shifted = dayOfEpoch + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Nil if the calendar has no such day.
    var dayOfEpoch: Int? {
        let yearFromMarch = month <= 2 ? year - 1 : year
        guard yearFromMarch >= 0 else { return nil }
        let era = yearFromMarch / 400
        let yearOfEra = yearFromMarch % 400
        let monthFromMarch = month > 2 ? month - 3 : month + 9
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let result = era * 146_097 + dayOfEra - 719_468
        let back = CivilDate(dayOfEpoch: result)
        return (back.year, back.month, back.day) == (year, month, day) ? result : nil
    }
}
