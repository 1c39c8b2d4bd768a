/// A day of the Gregorian calendar.
struct CivilDate: Equatable {
    let year: Int
    let month: Int
    let day: Int
}

extension CivilDate {
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
        // Years and their months, counted from March.
        let (years, months) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
        guard years >= 0 else { return nil }
        let dayOfYear = (153 * months + 2) / 5 + day - 1
        let result = 365 * years + years / 4 - years / 100 + years / 400 + dayOfYear - 719_468
        return CivilDate(dayOfEpoch: result) == self ? result : nil
    }
}
