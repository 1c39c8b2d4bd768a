import Testing

@testable import HTTPMessages

@Suite("Entity tags")
struct EntityTagTests {
    static let longest = String(repeating: "x", count: EntityTag.maximumByteCount)

    static func list(_ values: String...) -> EntityTagList {
        var list = EntityTagList()
        for value in values { list.add(value.bytes.span) }
        return list
    }

    @Test("A tag is what it was made of, with and without quotes", arguments: ["", "a", "00ff-7", "é", longest])
    func text(_ opaque: String) {
        let tag = EntityTag(opaque: opaque)
        #expect(tag.opaque == opaque)
        #expect(tag.quoted == "\"\(opaque)\"")
        #expect(tag.withOpaque { $0.count } == opaque.utf8.count)
        let same = EntityTag(opaque: opaque.bytes.span)
        #expect(tag == same)
    }

    @Test("Two tags are equal only if all of their bytes are")
    func equality() {
        let tags = ["", "a", "b", "A", "aa", "ab", "a\0", Self.longest, String(Self.longest.dropLast()) + "y"]
        for (index, left) in tags.enumerated() {
            for (other, right) in tags.enumerated() {
                #expect((EntityTag(opaque: left) == EntityTag(opaque: right)) == (index == other), "\(left) \(right)")
            }
        }
    }

    // MARK: Lists

    @Test("The strong comparison matches strong tags alone; the weak comparison matches both")
    func comparisons() {
        let (a, b, c) = (EntityTag(opaque: "a"), EntityTag(opaque: "b"), EntityTag(opaque: "c"))
        let list = Self.list("\"a\", W/\"b\"")
        #expect(list.isWellFormed && !list.isAny)
        #expect(list.matchesStrongly(a) && list.matchesWeakly(a) && list.names(a))
        #expect(!list.matchesStrongly(b) && list.matchesWeakly(b) && list.names(b))
        #expect(!list.matchesStrongly(c) && !list.matchesWeakly(c) && !list.names(c))
    }

    @Test("An asterisk matches every tag and names none", arguments: ["*", " * ", ",*", "*,"])
    func any(_ value: String) {
        let list = Self.list(value)
        let tag = EntityTag(opaque: "a")
        #expect(list.isAny && list.isWellFormed)
        #expect(list.matchesStrongly(tag) && list.matchesWeakly(tag) && !list.names(tag))
    }

    @Test(
        "Empty elements and whitespace around tags are ignored",
        arguments: [
            "\"a\",\"b\"", "\"a\" ,\t\"b\"", ",,\"a\",, ,\"b\",", " \"a\"  ,  \"b\" ", "\t\"a\",W/\"x\",\"b\"\t",
        ])
    func separators(_ value: String) {
        let list = Self.list(value)
        #expect(list.isWellFormed)
        for name in ["a", "b"] { #expect(list.matchesStrongly(EntityTag(opaque: name)), "\(name)") }
        #expect(!list.names(EntityTag(opaque: "")))
    }

    @Test(
        "A tag has any bytes but a quote, taken as they are",
        arguments: ["", ",", "a,b", "a b", " a", "*", "W/", "a\\", "\\", "é", "\u{1}"])
    func opaqueBytes(_ opaque: String) {
        let list = Self.list("\"x\",\"\(opaque)\",\"y\"")
        #expect(list.isWellFormed && !list.isAny)
        for name in [opaque, "x", "y"] { #expect(list.matchesStrongly(EntityTag(opaque: name)), "\(name)") }
    }

    @Test("A tag too long to match is well formed and matches nothing")
    func tooLong() {
        let list = Self.list("\"\(Self.longest)y\"")
        #expect(list.isWellFormed && !list.matchesWeakly(EntityTag(opaque: Self.longest)))
        #expect(Self.list("\"\(Self.longest)\"").matchesStrongly(EntityTag(opaque: Self.longest)))
        let both = Self.list("W/\"\(Self.longest)\(Self.longest)\", \"a\"")
        #expect(both.isWellFormed && both.matchesStrongly(EntityTag(opaque: "a")))
        #expect(!Self.list("*, \"\(Self.longest)y\"").isWellFormed)
    }

    @Test(
        "A value that is neither an asterisk nor a list of tags is malformed",
        arguments: [
            "", ",", " , ", "5", "abc", "'a'", "\"", "\"a", "W/", "W/a", "w/\"a\"", "W\"a\"", "W/ \"a\"", "W/\"a",
            "\"a\" \"b\"", "\"a\"\"b\"", "\"a\"b", "\"a\" W/\"b\"", "*, \"a\"", "\"a\", *", "*, *", "**", "* \"a\"",
            "\"a\", b", "b, \"a\"", "\"a\";",
        ])
    func malformed(_ value: String) {
        #expect(!Self.list(value).isWellFormed)
    }

    @Test("A malformed field stays malformed, whatever field follows")
    func malformedField() {
        #expect(!Self.list("a", "\"b\"").isWellFormed)
        #expect(!Self.list("\"b\"", "a").isWellFormed)
        #expect(!Self.list("*", "\"b\"").isWellFormed)
        #expect(!Self.list("\"b\"", "*").isWellFormed)
        #expect(!Self.list("", "a").isWellFormed)
        #expect(Self.list("\"a\"", "\"b\"").isWellFormed)
    }
}
