import Foundation
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

@Suite("Readers", .fewAtATime)
struct ReaderTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    func text(_ round: Int) -> String {
        String(decoding: ChecksummedText.make(byteCount: 1 + round * 37 % 9000, seed: UInt64(round)), as: UTF8.self)
    }

    @Test("A reader reads each text that is set, with its version")
    func readsEach() throws {
        let (segment, other) = (try attach(), try attach())
        var reader = try segment.makeReader()
        #expect((reader.version) == nil)
        #expect(try reader.withBytes { $0.byteCount } == 0)
        #expect(try reader.withText { $0.count } == 0)
        #expect(try reader.get() == "")
        #expect(try reader.version == segment.version)
        for round in 0..<1000 {
            let version = try other.set(text(round))
            for _ in 0..<2 {
                #expect(try reader.withText { String(copying: $0) } == text(round))
                #expect(try reader.withBytes { $0.withUnsafeBytes { Array($0) } } == Array(text(round).utf8))
                #expect(try reader.get() == text(round))
                #expect(reader.version == version)
            }
        }
    }

    @Test("The text being read does not change, even if it is set more often than there are slots")
    func readIsStable() throws {
        let (segment, other) = (try attach(), try attach())
        try segment.set(text(1))
        var reader = try segment.makeReader()
        try reader.withText { bytes in
            for round in 0..<400 { try other.set(text(round)) }
            #expect(String(copying: bytes) == text(1))
        }
        #expect(try reader.get() == text(399))
    }

    @Test("A reader keeps the text that it read last until it unpins it, reads another one, or ends")
    func keepsTheLast() throws {
        let segment = try attach()
        try segment.set("kept")
        do {
            var reader = try segment.makeReader()
            #expect(try pinWords() == [], "it takes a pin when it reads")
            _ = try reader.get()
            let mark = try #require(try pinWords().first) >> 32
            let slot = try withView { UInt64($0.loadCurrent().slot) }
            for round in 0..<400 { try segment.set(text(round)) }
            #expect(try pinWords() == [mark << 32 | slot + 1])
            #expect(try withView { $0.text(ofSlot: Int(slot)).map { unsafe Array($0) } } == Array("kept".utf8))
            reader.unpin()
            #expect(try pinWords() == [mark << 32])
            #expect((reader.version) == nil)
            #expect(try reader.get() == text(399))
            let current = try withView { UInt64($0.loadCurrent().slot) }
            #expect(try pinWords() == [mark << 32 | current + 1])
            reader.unpin()
            #expect(try reader.get() == text(399), "what was let go is taken up again, changed or not")
        }
        try expectNothingLeft()
    }

    @Test("An unchanged text is one String for all calls")
    func oneString() throws {
        let segment = try attach()
        try segment.set(text(5))
        var reader = try segment.makeReader()
        func storage(_ text: String) -> UnsafeRawPointer? {
            text.utf8.withContiguousStorageIfAvailable { UnsafeRawPointer($0.baseAddress!) }
        }
        let first = try reader.get()
        #expect(try storage(reader.get()) == storage(first))
        try segment.set(text(6))
        #expect(try reader.get() == text(6))
        #expect(first == text(5))
    }

    @Test("A 65th reader reads copies, and a pin once one is free")
    func asManyAsPins() throws {
        let segment = try attach()
        try segment.set("x")
        var late = try segment.makeReader()
        do {
            let readers = try (0..<64).map { _ in Element(try segment.makeReader()) }
            #expect(try readers.map { try $0.reader.get() } == Array(repeating: "x", count: 64))
            #expect(try Segment.info(name, directory: directory.path).pinCount == 64)
            for text in ["x", "y", "z"] {
                let version = try segment.set(text)
                for _ in 0..<2 {
                    #expect(try late.get() == text)
                    #expect(try late.withBytes { $0.byteCount } == 1)
                    #expect(late.version == version)
                }
                #expect(try segment.withBytes { $0.byteCount } == 1)
            }
            #expect(try readers.map { try $0.reader.get() } == Array(repeating: "z", count: 64))
        }
        #expect(try late.get() == "z", "it keeps its copy while that is up to date")
        #expect(try Segment.info(name, directory: directory.path).pinCount == 0)
        try segment.set("a")
        #expect(try late.get() == "a")
        #expect(try Segment.info(name, directory: directory.path).pinCount == 1)
    }

    /// A reader in an array, which takes only copyable elements.
    final class Element {
        var reader: Reader

        init(_ reader: consuming Reader) { self.reader = reader }
    }

    @Test("The pins of killed readers are reclaimed when a reader needs one")
    func killedReaders() async throws {
        let segment = try attach()
        try segment.set("x")
        let holder = try probe(.keepReaders(count: 64))
        _ = try await holder.line(beginning: "kept")
        var reader = try segment.makeReader()
        #expect(try reader.get() == "x")
        #expect(try pinWords().count == 64, "it reads a copy")
        holder.kill()
        _ = try await holder.finish()
        // A sweep comes every 100 ms at most.
        _ = try await eventually("a pin") {
            try segment.set("y")
            #expect(try reader.get() == "y")
            return try pinWords().count == 1 ? true : nil
        }
    }

    @Test("A reader of a read-only attachment copies each version once, and takes no pin")
    func readOnly() throws {
        let segment = try attach()
        var reader = try attach(.readOnly).makeReader()
        #expect(try reader.get() == "")
        for round in [1, 300] {
            let version = try segment.set(text(round))
            func address() throws -> UInt {
                try reader.withBytes { $0.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }
            }
            let first = try address()
            #expect(try address() == first)
            #expect(try reader.get() == text(round))
            #expect(try reader.withText { String(copying: $0) } == text(round))
            #expect(reader.version == version)
            #expect(try segment.snapshot().publicationTime == reader.publication.time)
            reader.unpin()
            #expect(reader.version == nil)
            #expect(try reader.get() == text(round))
        }
        #expect(try pinWords() == [])
    }

    @Test("A reader that copies frees each copy with the next one")
    func copiesAreFreed() throws {
        let segment = try attach()
        var reader = try attach(.readOnly).makeReader()
        let text = [UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000)
        func residentByteCount() throws -> Int {
            let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
            return try #require(Int(pages)) * 4096
        }
        var before = 0
        for round in 0..<400 {
            try segment.set(utf8: text.span)
            #expect(try reader.withBytes { $0.byteCount } == text.count)
            if round == 20 { before = try residentByteCount() }
        }
        #expect(try residentByteCount() - before < 100_000_000)
    }

    @Test("A reader keeps its segment attached, and goes on after it is unlinked")
    func keepsAttached() throws {
        var reader = try attach().makeReader()
        try attach().set("there")
        #expect(try reader.get() == "there")
        try Segment.unlink(name, directory: directory.path)
        #expect(try reader.get() == "there")
    }

    @Test("An error that a reader's closure throws is rethrown, and the reader can read again")
    func passesErrorsOn() throws {
        struct Mine: Error {}
        let segment = try attach()
        try segment.set("x")
        var reader = try segment.makeReader()
        #expect(throws: Mine.self) { try reader.withBytes { _ in throw Mine() } }
        #expect(throws: Mine.self) { try reader.withText { _ in throw Mine() } }
        #expect(try reader.get() == "x")
    }

    @Test("Text that is not UTF-8 is an error each time it is read as text, but can be read as bytes")
    func notUTF8() throws {
        let segment = try attach()
        try segment.set("xx")
        try withView { view in
            unsafe view.room(ofSlot: view.loadCurrent().slot).storeBytes(of: 0xff, as: UInt8.self)
        }
        var reader = try segment.makeReader()
        for _ in 0..<2 {
            #expect(throws: SegmentError.self) { try reader.withText { _ in } }
            #expect(throws: SegmentError.self) { try reader.get() }
            #expect(try reader.withBytes { $0.byteCount } == 2)
        }
        try segment.set("good")
        #expect(try reader.get() == "good")
    }

    @Test("An impossible byte count or slot is an error, and no memory beyond the mapping is read")
    func impossible() throws {
        let segment = try attach()
        try segment.set("xx")
        var reader = try segment.makeReader()
        try withView { view in
            let current = view.loadCurrent()
            view.slots[current.slot].byteCount.store(1 << 40, ordering: .relaxed)
            for _ in 0..<2 { #expect(throws: SegmentError.self) { try reader.withBytes { _ in } } }
            let pins = (0..<view.mark(of: .pins)).map { view.pins[$0].word.load(ordering: .relaxed) }
            #expect(pins.filter { $0 & 0xffff_ffff != 0 } == [], "no slot is kept for it")
            for current: UInt64 in [7 | 250 << 48, .max] {
                view.current.word.store(current, ordering: .relaxed)
                for _ in 0..<2 {
                    #expect(throws: SegmentError.self) { try reader.withBytes { _ in } }
                    #expect(throws: SegmentError.self) { try reader.withText { _ in } }
                    #expect(throws: SegmentError.self) { try reader.get() }
                }
            }
        }
    }

    // MARK: Stopped and killed

    @Test(
        "A reader that is stopped at any step while more sets run than there are slots reads a whole text",
        arguments: [PausePoint.readLoaded, .readPinned, .readChecked])
    func goesOn(_ step: PausePoint) async throws {
        let segment = try attach()
        let first = try segment.set(text(7777))
        let child = try await probe(stoppedAt: step, .readByReader, closingInput: false)
        var last = first
        for round in 0..<1000 { last = try segment.set(text(round)) }
        child.send(SIGCONT)
        // Pinned and checked, it reads what it came for; before that, what is current when it looks again.
        #expect(try await child.line(beginning: "first ") == "\(step == .readChecked ? first : last) true")
        let newest = try segment.set(text(1000))
        child.closeInput()
        #expect(try await child.line(beginning: "then ") == "\(newest) true")
        #expect(try await child.finish().status == 0)
        try expectNothingLeft()
    }

    @Test("A reader that is overtaken again while it moves its pin moves it again")
    func pinnedAgainTwice() async throws {
        let segment = try attach()
        try segment.set(text(500))
        let child = try await probe(stoppedAt: .readPinned, then: .readPinned, .readByReader)
        try segment.set(text(501))
        try await goOn(child)
        var last = try segment.version
        for round in 0..<1000 { last = try segment.set(text(round)) }
        child.send(SIGCONT)
        #expect(try await child.line(beginning: "first ") == "\(last) true")
    }

    @Test(
        "A reader that is killed at any step costs a slot until its row is taken",
        arguments: [PausePoint.readLoaded, .readPinned, .readChecked])
    func killed(_ step: PausePoint) async throws {
        let segment = try attach()
        try segment.set(text(1))
        let child = try await probe(stoppedAt: step, .readByReader)
        #expect(try Segment.info(name, directory: directory.path).pinCount == 1)
        child.kill()
        _ = try await child.finish()
        for round in 0..<400 { try segment.set(text(round)) }
        extendLifetime(try attachApart())
        try expectNothingLeft()
    }

    @Test("Readers in threads and processes see whole texts in the order of their versions while writers set")
    func besideWriters() async throws {
        let segment = try attach()
        try segment.set(text(0))
        let writers = try (0..<2).map { try probe(.write(seconds: 1, maximumByteCount: 20000, seed: $0)) }
        for writer in writers { _ = try await writer.line(beginning: "attached") }
        let ended = Locked(false)
        let outcomes = Locked<[String]>([])
        for _ in 0..<3 {
            Thread.detachNewThread {
                let outcome = Result { try Self.follow(segment) { ended.with { $0 } } }
                outcomes.with { $0.append("\(outcome)") }
            }
        }
        for writer in writers { try writer.write(Data("\n".utf8)) }
        for writer in writers { #expect(try await writer.finish(within: 60).status == 0) }
        ended.with { $0 = true }
        let all = try await eventually("the readers' end") { outcomes.with { $0.count == 3 ? $0 : nil } }
        #expect(all == Array(repeating: "\(Result<String, any Error>.success("whole, in order"))", count: 3))
        try expectNothingLeft()
    }

    /// Reads until the test is over, and returns what it saw.
    private static func follow(_ segment: Segment, until isOver: () -> Bool) throws -> String {
        var reader = try segment.makeReader()
        var (last, seen) = (UInt64(0), 0)
        while !isOver() {
            guard try reader.withBytes({ ChecksummedText.isWhole($0) }) else { return "torn" }
            guard let number = reader.version?.number, number >= last else { return "backwards" }
            if number > last { seen += 1 }
            last = number
        }
        return seen > 1 ? "whole, in order" : "only \(seen)"
    }
}
