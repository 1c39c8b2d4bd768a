import Foundation
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// The tables of pins, slots and rows, which grow, and the memory that follows the text.
@Suite("Tables and memory", .fewAtATime)
struct TablesTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    func marks() throws -> [Int] { try withView { view in Table.allCases.map { view.mark(of: $0) } } }

    func memory() throws -> Int { try Segment.info(name, directory: directory.path).memoryByteCount }

    @Test("The pins' mark grows in steps of eight with the borrows, and never falls")
    func pinMark() throws {
        let segment = try attach()
        try segment.set("x")
        #expect(try marks() == [0, 8, 8], "a set needs no pin")
        var tokens: [BorrowToken] = []
        for count in 1...64 {
            tokens.append(try segment.borrow().leak())
            #expect(try marks()[0] == (count + 7) / 8 * 8)
        }
        let copy = try segment.borrow()
        #expect(!copy.token.isPin)
        tokens.forEach { $0.end() }
        #expect(try marks()[0] == 64)
        #expect(try segment.borrow().token.isPin == true)
        #expect(try marks()[0] == 64)
    }

    @Test("Text that is borrowed with a pin above the first mark does not change under more sets than there are slots")
    func pinIsSeenAboveTheMark() throws {
        let segment = try attach()
        let other = try attachApart()
        for count in [1, 8, 9, 17] {
            try segment.set("borrowed \(count)")
            var borrows: [BorrowToken] = []
            for _ in 1..<count { borrows.append(try segment.borrow().leak()) }
            try segment.withText { text in
                for round in 0..<400 { try other.set("text \(round)") }
                #expect(String(copying: text) == "borrowed \(count)")
            }
            borrows.forEach { $0.end() }
        }
        try expectNothingLeft()
    }

    @Test("Readers on more slots than are used in turn make the table of slots grow, and each keeps its text")
    func slotMark() throws {
        let segment = try attach()
        let readers = try (0..<40).map { index in
            try segment.set("kept \(index)")
            let reader = ReaderTests.Element(try segment.makeReader())
            #expect(try reader.reader.get() == "kept \(index)")
            return reader
        }
        for round in 0..<1000 { try segment.set("text \(round)") }
        #expect(try marks()[1] == 48)
        for (index, reader) in readers.enumerated() {
            // Without a look at the current word, which would move the pin.
            #expect(Array(reader.reader.text) == Array("kept \(index)".utf8))
        }
    }

    @Test("More processes than there are rows, each killed, leave all rows free")
    func rowsOfTheDead() async throws {
        let segment = try Segment.attach(
            name, AttachmentOptions(rowCount: 24, pinCount: 8, directory: directory.path))
        try segment.set("x")
        for _ in 0..<7 {
            let children = try (0..<10).map { _ in try probe(.keepPins(count: 1)) }
            for child in children { _ = try await child.line(beginning: "kept") }
            for child in children {
                child.kill()
                _ = try await child.finish()
            }
            try segment.set("y")
        }
        #expect(try Segment.info(name, directory: directory.path).attached.count == 1)
        let others = try (0..<22).map { _ in try attachApart() }
        // Each looks at a few of the rows of the dead at a time.
        _ = try await eventually("all rows") {
            for other in others { try other.takeRow() }
            return try Segment.info(name, directory: directory.path).attached.count == 23 ? true : nil
        }
        _ = try await eventually("a pin") { try segment.withBytes { _ in try marks()[0] } == 8 ? true : nil }
        #expect(try others[21].borrow().token.isPin == true)
        try expectNothingLeft()
    }

    @Test(
        "On a full tmpfs no table grows, and no process is killed for touching it",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
    func fullTmpfs() async throws {
        let script =
            FullTmpfsTests.prelude + """
                p hold persistent >/dev/null
                p set-checksummed 100 1 >/dev/null
                fill
                # The pins of the first page, and then copies.
                echo | "$probe" "$directory" text keep-pins 200 2>&1
                echo "ended $?"
                """
        let result = try await MountNamespace.start(script, [ProbeCommand.executable, directory.path]).finish()
        #expect(result.text == "kept\nunchanged true\nended 0\n", "\(result.errors)")
    }

    @Test("A table that another process has made grow meanwhile is not full, even if that was its last step")
    func grownByAnother() throws {
        let attachment = try attach().attachment
        let view = attachment.membership.view
        for mark in stride(from: 0, to: 64, by: 8) {
            #expect(try attachment.open.grow(.pins, of: view, beyond: mark))
            #expect(try attachment.open.grow(.pins, of: view, beyond: mark) && view.mark(of: .pins) == mark + 8)
        }
        #expect(try !attachment.open.grow(.pins, of: view, beyond: 64))
    }

    @Test("The row that one thread has for a set is not taken again by another thread of the process")
    func borrowedRow() throws {
        var options = AttachmentOptions(rowCount: 8, pinCount: 8, directory: directory.path)
        options.sharesAttachment = false
        let others = try (0..<7).map { _ in
            let other = try Segment.attach(name, options)
            try other.takeRow()
            return other
        }
        options.isOperator = true
        var last: Segment? = try Segment.attach(name, options)
        try last?.takeRow()
        let attachment = try Segment.attach(name, options).attachment
        #expect(attachment.mark == 0)
        last = nil
        let mark = try attachment.beginSet()
        #expect(mark == 8, "the only row that is free")
        // It looks for a row again after a tenth of a second.
        let end = ContinuousClock.now + .milliseconds(300)
        var taken: UInt64 = 0
        while ContinuousClock.now < end { taken = max(taken, attachment.mark) }
        attachment.endSet(mark)
        #expect(taken == 0)
        extendLifetime(others)
    }

    @Test("A process that clears what dead processes left keeps its own pins and claims")
    func sweepingKeepsOnesOwn() throws {
        let segment = try attach()
        try segment.set("x")
        let token = try segment.borrow().leak()
        let words = try pinWords()
        #expect(words.count == 1)
        try segment.sweep()
        #expect(try pinWords() == words)
        token.end()
    }

    // MARK: Memory

    @Test("A default segment with a short text takes at most 64 KiB of memory, however often it is read and set")
    func smallSegment() throws {
        let segment = try Segment.attach(name, AttachmentOptions(directory: directory.path))
        for round in 0..<1000 {
            try segment.set("text \(round)")
            #expect(try segment.withBytes { $0.byteCount } > 5)
        }
        #expect(try memory() <= 64 << 10)
        #expect(try memory() == SegmentFormat.memoryByteCount + 8 * 4096)
    }

    @Test("After text of 60 MB and ten short texts, at most 4 MiB of memory is left in the file", arguments: [1, 2, 5])
    func memoryOfALongText(_ count: Int) throws {
        let segment = try Segment.attach(
            name, AttachmentOptions(capacity: 64 << 20, directory: directory.path))
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 60_000_000)
        for _ in 0..<count { try segment.set(utf8: long.span) }
        #expect(try memory() >= 60_000_000)
        for round in 0..<10 { try segment.set("short \(round)") }
        #expect(try memory() <= 4 << 20)
        #expect(try segment.get() == "short 9")
        try segment.set(utf8: long.span)
        #expect(try segment.withBytes { $0.byteCount } == long.count)
    }

    @Test("Memory that a killed process left behind is given back by a process that sets only short texts")
    func memoryLeftBehind() async throws {
        let segment = try Segment.attach(name, AttachmentOptions(capacity: 4 << 20, directory: directory.path))
        for round in 0..<100 { try segment.set("short \(round)") }
        let before = try memory()
        let attachment = try segment.attachment
        let view = attachment.membership.view
        #expect(try attachment.open.grow(.slots, of: view, beyond: 8))
        // Not one of the slots that are used in turn: their memory is looked at before they are filled.
        let offset = view.geometry.slotOffset(12)
        #expect(try attachment.open.descriptor.reserve(offset..<offset + (2 << 20)))
        view.slots[12].reserved.store(2 << 20, ordering: .relaxed)
        #expect(try memory() >= before + (1 << 20))
        let _: Bool = try await eventually("the return of the memory") {
            _ = try? segment.set("short")
            // The slot keeps its first page.
            return try memory() <= before + 8192 ? true : nil
        }
    }

    @Test("Long texts that alternate with short ones keep their memory")
    func alternatingTexts() throws {
        let segment = try Segment.attach(name, AttachmentOptions(capacity: 4 << 20, directory: directory.path))
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 4 << 20)
        for round in 0..<24 {
            try segment.set(utf8: long.span)
            try segment.set("short \(round)")
            if round > 6 { #expect(try memory() >= 3 * long.count) }
        }
    }
}
