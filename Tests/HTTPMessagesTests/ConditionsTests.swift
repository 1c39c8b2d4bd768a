import Testing

@testable import HTTPMessages

/// The conditions of RFC 9110, each alone and all combined, as a function of the resource's entity tag and date.
@Suite("Conditions")
struct ConditionsTests {
    static let tag = EntityTag(opaque: "current")
    static let lastModified: Int64 = 784_111_777

    /// A header's value, and whether the condition holds; nil if it is absent or must be ignored.
    struct Case {
        let value: String?
        let holds: Bool?
        /// Whether the value names the current entity tag itself.
        let isNamed: Bool

        init(_ value: String?, _ holds: Bool?, isNamed: Bool = false) {
            (self.value, self.holds, self.isNamed) = (value, holds, isNamed)
        }
    }

    static let ifMatch = [
        Case(nil, nil), Case("\"current\"", true), Case("*", true), Case("\"other\"", false),
        Case("W/\"current\"", false), Case("\"a,b\" , ,\"current\",\"c\"", true), Case("\"\"", false),
        Case("W/\"current\", \"current\"", true), Case("\"current-gzip\"", false),
    ]

    static let ifNoneMatch = [
        Case(nil, nil), Case("\"current\"", false, isNamed: true), Case("*", false), Case("\"other\"", true),
        Case("W/\"current\"", false, isNamed: true), Case("\"x\", \"current\"", false, isNamed: true),
        Case("W/\"x\"", true), Case("\"current \"", true),
        // As compressing proxies alter it.
        Case("\"current-gzip\"", false, isNamed: true), Case("W/\"current--br\"", false, isNamed: true),
        Case("\"current;deflate\"", false, isNamed: true), Case("\"current-1\"", true), Case("\"current-\"", true),
        Case("\"currentgzip\"", true), Case("\"other-gzip\"", true),
    ]

    static func dates(before: Bool, same: Bool, after: Bool) -> [Case] {
        [
            Case(nil, nil), Case(HTTPDate.format(lastModified - 1), before), Case(HTTPDate.format(lastModified), same),
            Case(HTTPDate.format(lastModified + 1), after), Case("yesterday", nil),
        ]
    }

    /// A resource has no date before its second has passed: then an equal date says that it has not changed.
    static let ifUnmodifiedSince = dates(before: false, same: true, after: true)
    static let ifModifiedSince = dates(before: true, same: false, after: false)

    /// One case for each of the four conditions.
    struct Combination {
        let match: Case
        let unmodified: Case
        let noneMatch: Case
        let modified: Case

        var headers: [(HeaderName, String)] {
            [
                (HeaderName.ifMatch, match), (.ifUnmodifiedSince, unmodified), (.ifNoneMatch, noneMatch),
                (.ifModifiedSince, modified),
            ].compactMap { name, condition in condition.value.map { (name, $0) } }
        }
    }

    static let combinations = ifMatch.flatMap { match in
        ifUnmodifiedSince.flatMap { unmodified in
            ifNoneMatch.flatMap { noneMatch in
                ifModifiedSince.map {
                    Combination(match: match, unmodified: unmodified, noneMatch: noneMatch, modified: $0)
                }
            }
        }
    }

    // MARK: All combinations

    @Test("A read follows the steps of RFC 9110, 13.2.2", arguments: [true, false])
    func reading(hasDate: Bool) {
        for combination in Self.combinations {
            let (unmodified, modified) =
                hasDate ? (combination.unmodified.holds, combination.modified.holds) : (nil, nil)
            let expected: Conditions.Verdict =
                if combination.match.holds == false || combination.match.holds == nil && unmodified == false {
                    .failed
                } else if combination.noneMatch.holds == false {
                    .notModified
                } else if combination.noneMatch.holds == nil, modified == false {
                    .notModified
                } else {
                    .proceed
                }
            for headers in [combination.headers, combination.headers.reversed()] {
                let verdict = Conditions.reading(headers)
                    .verdictForReading(Self.tag, lastModified: hasDate ? Self.lastModified : nil)
                #expect(verdict == expected, "\(headers)")
            }
        }
    }

    @Test("A set follows the steps of RFC 9110, 13.2.2", arguments: [true, false])
    func replacing(hasDate: Bool) {
        for combination in Self.combinations {
            let unmodified = hasDate ? combination.unmodified.holds : nil
            let expected =
                combination.match.holds ?? unmodified ?? true && combination.noneMatch.holds != false
            let isPermitted = Conditions.reading(combination.headers)
                .permitReplacing(Self.tag, lastModified: hasDate ? Self.lastModified : nil)
            #expect(isPermitted == expected, "\(combination.headers)")
        }
    }

    @Test("A poll waits if If-None-Match names the current tag and If-Match does not fail")
    func polling() {
        for combination in Self.combinations {
            let expected = combination.noneMatch.isNamed && combination.match.holds != false
            let waits = Conditions.reading(combination.headers).waitForChange(of: Self.tag)
            #expect(waits == expected, "\(combination.headers)")
        }
    }

    @Test("A poll that names every tag does not wait")
    func pollingForAny() {
        #expect(!Conditions.reading([(.ifNoneMatch, "*")]).waitForChange(of: Self.tag))
        #expect(!Conditions.reading([(.ifNoneMatch, "*, \"current\"")]).waitForChange(of: Self.tag))
    }

    @Test("If-Match with a tag that a proxy has altered is told from one with another tag")
    func altered() {
        for value in ["W/\"current\"", "\"current-gzip\"", "\"x\", W/\"current;br\""] {
            #expect(Conditions.reading([(.ifMatch, value)]).hasAltered(Self.tag), "\(value)")
        }
        for value in ["\"current\"", "*", "\"other-gzip\"", "W/\"other\"", "\"current-12\""] {
            #expect(!Conditions.reading([(.ifMatch, value)]).hasAltered(Self.tag), "\(value)")
        }
        #expect(!Conditions.reading([(.ifNoneMatch, "W/\"current\"")]).hasAltered(Self.tag))
    }

    // MARK: Repeated and malformed headers

    @Test("Without conditions, every read and set proceeds, and no poll waits")
    func none() {
        let conditions = Conditions()
        #expect(!conditions.isPresent && !conditions.hasIfNoneMatch && conditions.malformedHeader == nil)
        #expect(conditions.verdictForReading(Self.tag, lastModified: Self.lastModified) == .proceed)
        #expect(conditions.permitReplacing(Self.tag, lastModified: Self.lastModified))
        #expect(!conditions.waitForChange(of: Self.tag))
    }

    @Test("The entity tags of a repeated header are one list")
    func repeatedTags() {
        for headers in [
            [(.ifMatch, "\"a\""), (.ifMatch, "\"current\"")], [(.ifMatch, "\"current\""), (.ifMatch, "\"a\"")],
        ] as [[(HeaderName, String)]] {
            #expect(Conditions.reading(headers).permitReplacing(Self.tag, lastModified: nil))
        }
        for headers in [
            [(.ifNoneMatch, "\"a\""), (.ifNoneMatch, "\"current\"")],
            [(.ifNoneMatch, "W/\"current\""), (.ifNoneMatch, "\"a\"")],
        ] as [[(HeaderName, String)]] {
            let conditions = Conditions.reading(headers)
            #expect(conditions.verdictForReading(Self.tag, lastModified: nil) == .notModified)
            #expect(conditions.waitForChange(of: Self.tag) && conditions.hasIfNoneMatch)
        }
    }

    @Test("A repeated date is ignored", arguments: [HeaderName.ifModifiedSince, .ifUnmodifiedSince])
    func repeatedDates(_ name: HeaderName) {
        let date = HTTPDate.format(name == .ifModifiedSince ? Self.lastModified + 1 : Self.lastModified - 1)
        #expect(
            Conditions.reading([(name, date)]).verdictForReading(Self.tag, lastModified: Self.lastModified) != .proceed)
        for others in [[date], ["x"], [date, date]] {
            for values in [[date] + others, others + [date]] {
                let conditions = Conditions.reading(values.map { (name, $0) })
                #expect(conditions.verdictForReading(Self.tag, lastModified: Self.lastModified) == .proceed)
                #expect(conditions.isPresent)
            }
        }
    }

    @Test("Dates may be in any of the three forms")
    func dateForms() {
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            let conditions = Conditions.reading([(.ifModifiedSince, date)])
            #expect(conditions.verdictForReading(Self.tag, lastModified: Self.lastModified) == .notModified)
            #expect(conditions.verdictForReading(Self.tag, lastModified: Self.lastModified + 1) == .proceed)
        }
    }

    @Test("A malformed entity tag in either list is noticed", arguments: [HeaderName.ifMatch, .ifNoneMatch])
    func malformed(_ name: HeaderName) {
        #expect(Conditions.reading([(name, "\"a\"")]).malformedHeader == nil)
        #expect(Conditions.reading([(name, "a")]).malformedHeader == name)
        #expect(Conditions.reading([(name, "\"a\""), (name, "a")]).malformedHeader == name)
        #expect(Conditions.reading([(name, "a"), (name, "\"a\"")]).malformedHeader == name)
        #expect(Conditions.reading([(name, "*"), (name, "\"a\"")]).malformedHeader == name)
        #expect(Conditions.reading([(.ifMatch, "*"), (.ifNoneMatch, "*"), (name, "*")]).malformedHeader == name)
    }

    @Test("A malformed date is no malformed condition")
    func malformedDate() {
        #expect(Conditions.reading([(.ifModifiedSince, "x"), (.ifUnmodifiedSince, "")]).malformedHeader == nil)
    }

    @Test("The same conditions can be judged again when the resource has changed")
    func changes() {
        let conditions = Conditions.reading([(.ifNoneMatch, "\"current\"")])
        let copy = conditions
        #expect(conditions.waitForChange(of: Self.tag))
        #expect(conditions.verdictForReading(EntityTag(opaque: "next"), lastModified: nil) == .proceed)
        #expect(!conditions.waitForChange(of: EntityTag(opaque: "next")))
        #expect(copy.verdictForReading(Self.tag, lastModified: nil) == .notModified)
    }
}
