import SharedMemory
import TestSupport
import TestTraits
import Testing

@Suite("Set and get", .fewAtATime)
struct SegmentTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    func attach(_ name: String = "text", capacity: Int? = nil, access: Access = .readWrite) throws -> Segment {
        try Segment.attach(name, AttachmentOptions(access: access, capacity: capacity, directory: directory.path))
    }

    @Test("A new segment holds the empty text, version 0")
    func isEmptyAtFirst() throws {
        let segment = try attach()
        #expect(try segment.get() == "")
        #expect(try segment.version.number == 0)
        #expect(try segment.withBytes { $0.byteCount } == 0)
        #expect(try Segment.read("text", directory: directory.path).text == "")
        #expect(try attach(access: .readOnly).snapshot().version == segment.version)
    }

    @Test(
        "The text is read as it was set, in every way of reading",
        arguments: [
            "Esta es una cadena de prueba", "", "a", "ñandú – 東京 – 🦤🧬", "\u{1}\u{7f}\r\n\t",
            String(repeating: "0123456789abcdef", count: 5000),
        ])
    func comesBack(_ text: String) throws {
        let segment = try attach()
        let readOnly = try attach(access: .readOnly)
        let version = try segment.set(text)
        #expect(try segment.get() == text)
        #expect(try segment.withText { String(copying: $0) } == text)
        #expect(try segment.withBytes { $0.withUnsafeBytes { Array($0) } } == Array(text.utf8))
        #expect(try readOnly.get() == text)
        #expect(try readOnly.withText { String(copying: $0) } == text)
        #expect(try Segment.read("text", directory: directory.path).text == text)
        #expect(try segment.version == version)
        #expect(try readOnly.version == version)
        #expect(try segment.snapshot().version == version)
    }

    @Test("Versions count sets, times do not go back, and both ways to a snapshot agree")
    func versionsCount() throws {
        let segment = try attach()
        var last = try segment.snapshot()
        for number in 1...300 {
            #expect(try segment.set("\(number)").number == UInt64(number))
            let snapshot = try segment.snapshot()
            #expect(snapshot.publicationTime >= last.publicationTime)
            #expect(try Segment.read("text", directory: directory.path) == snapshot)
            last = snapshot
        }
    }

    @Test("Text of exactly the capacity fits, and one more byte is refused and changes nothing")
    func holdsItsCapacity() throws {
        for capacity in [1, 63, 4096, 4097, 1 << 20] {
            let segment = try attach("c\(capacity)", capacity: capacity)
            let full = String(repeating: "x", count: capacity)
            let version = try segment.set(full)
            #expect(throws: SegmentError.tooLong(byteCount: capacity + 1, capacity: capacity)) {
                try segment.set(full + "x")
            }
            #expect(throws: SegmentError.tooLong(byteCount: capacity + 1, capacity: capacity)) {
                try segment.set(utf8: Array((full + "x").utf8).span)
            }
            #expect(try segment.snapshot().text == full)
            #expect(try segment.version == version)
            try segment.set("")
            #expect(try segment.get() == "")
        }
    }

    @Test("U+0000 is refused with its offset, and nothing changes")
    func refusesNUL() throws {
        let segment = try attach()
        let version = try segment.set("before")
        #expect(throws: SegmentError.containsNUL(offset: 3)) { try segment.set("añ\u{0}b") }
        #expect(throws: SegmentError.containsNUL(offset: 0)) { try segment.set(utf8: [0, 0xff].span) }
        #expect(try segment.snapshot().text == "before")
        #expect(try segment.version == version)
    }

    @Test(
        "Bytes that are not UTF-8 are refused with the offset of the first invalid one, and nothing changes",
        arguments: [
            ([0x61, 0xff], 1), ([0x80], 0), ([0x61, 0x62, 0xc3], 2), ([0xed, 0xa0, 0x80], 0), ([0xc0, 0xaf], 0),
            ([0x61, 0xf4, 0x90, 0x80, 0x80], 1), ([0x61, 0xff, 0x00], 1),
        ] as [([UInt8], Int)])
    func refusesBadUTF8(_ bytes: [UInt8], _ offset: Int) throws {
        let segment = try attach()
        try segment.set("before")
        #expect(throws: SegmentError.notUTF8(offset: offset)) { try segment.set(utf8: bytes.span) }
        #expect(try segment.snapshot().text == "before")
    }

    @Test(
        "An invalid byte is refused with its offset, wherever it is",
        arguments: [1, 15, 16, 17, 33, 100, 4096, 4113])
    func everyByteIsChecked(_ byteCount: Int) throws {
        let segment = try attach(capacity: 8192)
        var text = [UInt8](repeating: UInt8(ascii: "x"), count: byteCount)
        try segment.set(utf8: text.span)
        for offset in text.indices {
            text[offset] = 0
            #expect(throws: SegmentError.containsNUL(offset: offset)) { try segment.set(utf8: text.span) }
            text[offset] = 0x80
            #expect(throws: SegmentError.notUTF8(offset: offset)) { try segment.set(utf8: text.span) }
            text[offset] = UInt8(ascii: "x")
        }
    }

    static let large = 4 << 20

    @Test(
        "Text that is larger than the caches is set whole, whatever its length",
        arguments: [large, large + 1, large + 63, large + 8191, large + 8192, large + 12_345])
    func largeIsWhole(_ byteCount: Int) throws {
        let segment = try attach(capacity: 8 << 20)
        let text = ChecksummedText.make(byteCount: byteCount, seed: UInt64(byteCount))
        // Neither address nor length a multiple of anything.
        try segment.set(utf8: text.span.extracting(last: byteCount - 3))
        #expect(try segment.withBytes { $0.withUnsafeBytes { Array($0) } } == Array(text.dropFirst(3)))
        try segment.set(String(decoding: text, as: UTF8.self))
        let isWhole = try segment.withBytes { ChecksummedText.isWhole($0) }
        #expect(isWhole)
    }

    @Test(
        "An invalid byte anywhere in a large text is refused with its offset, and nothing changes",
        arguments: [0, 1, 63, 64, 4095, 4096, 16_383, 16_384, large - 1, large, large + 4999])
    func largeIsChecked(_ offset: Int) throws {
        let segment = try attach(capacity: 8 << 20)
        let before = try segment.set("before")
        var text = [UInt8](repeating: UInt8(ascii: "x"), count: Self.large + 5000)
        text[offset] = 0
        #expect(throws: SegmentError.containsNUL(offset: offset)) { try segment.set(utf8: text.span) }
        #expect(throws: SegmentError.containsNUL(offset: offset)) {
            try segment.set(String(decoding: text, as: UTF8.self))
        }
        text[offset] = 0xff
        #expect(throws: SegmentError.notUTF8(offset: offset)) { try segment.set(utf8: text.span) }
        #expect(try segment.snapshot().text == "before")
        #expect(try segment.version == before)
        text.replaceSubrange(offset..<min(offset + 2, text.count), with: "ñ".utf8)
        try segment.set(utf8: text.span)
        #expect(try segment.get().utf8.count == text.count)
    }

    @Test("Refusing large texts more often than there are slots occupies no slot")
    func refusedHoldsNoSlot() throws {
        let segment = try attach(capacity: 8 << 20)
        let refused = [UInt8](repeating: 0, count: Self.large)
        for _ in 0..<200 {
            #expect(throws: SegmentError.containsNUL(offset: 0)) { try segment.set(utf8: refused.span) }
        }
        try segment.set("after")
        #expect(try segment.version.number == 1)
    }

    @Test("A read-only attachment cannot set")
    func readOnlyCanNotSet() throws {
        let segment = try attach()
        let readOnly = try attach(access: .readOnly)
        #expect(throws: SegmentError.readOnly(name: "text")) { try readOnly.set("x") }
        #expect(try segment.version.number == 0)
    }

    @Test("Compare and set changes the text only from the version it names")
    func comparesAndSets() throws {
        let segment = try attach()
        let first = try segment.set("1", ifVersion: segment.version)
        let second = try segment.set("2", ifVersion: first)
        #expect(throws: SegmentError.versionMismatch(current: second)) { try segment.set("3", ifVersion: first) }
        let sameNumberElsewhere = Version(instance: second.instance ^ 1, number: second.number)
        #expect(throws: SegmentError.versionMismatch(current: second)) {
            try segment.set("3", ifVersion: sameNumberElsewhere)
        }
        #expect(try segment.get() == "2")
    }

    @Test("Update retries if another writer gets in first, and rethrows its closure's error")
    func updates() throws {
        struct Refusal: Error {}
        let segment = try attach()
        let other = try attach()
        try segment.set("1")
        var calls = 0
        try segment.update { old in
            calls += 1
            if calls == 1 { try other.set("10") }
            return old + "!"
        }
        #expect(try segment.get() == "10!")
        #expect(calls == 2)
        #expect(throws: Refusal.self) { try segment.update { _ in throw Refusal() } }
        // What the closure throws is not taken for a race of update's own.
        let stale = try segment.version
        try other.set("10!")
        calls = 0
        #expect(throws: SegmentError.versionMismatch(current: try segment.version)) {
            try segment.update { old in
                calls += 1
                try other.set("never", ifVersion: stale)
                return old
            }
        }
        #expect(calls == 1)
        #expect(try segment.get() == "10!")
    }

    @Test("An error that a borrow's closure throws is rethrown, and its pin is free again")
    func borrowPassesErrorsOn() throws {
        struct Refusal: Error {}
        let segment = try attach()
        try segment.set("x")
        for _ in 0..<200 {
            #expect(throws: Refusal.self) { try segment.withBytes { _ in throw Refusal() } }
            #expect(throws: Refusal.self) { try segment.withText { _ in throw Refusal() } }
        }
        #expect(try Segment.info("text", directory: directory.path).pinCount == 0)
    }
}
