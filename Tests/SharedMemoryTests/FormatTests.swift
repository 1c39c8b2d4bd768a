import Foundation
import LinuxSystem
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

@Suite("Format", .fewAtATime)
struct FormatTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("Each line has 64 bytes, and the regions are where the document says")
    func sizes() {
        #expect(MemoryLayout<Identity>.size == 80)
        #expect(MemoryLayout<CurrentLine>.stride == 64)
        #expect(MemoryLayout<StateLine>.stride == 64)
        #expect(MemoryLayout<MarksLine>.stride == 64)
        #expect(MemoryLayout<PinLine>.stride == 64)
        #expect(MemoryLayout<SlotLine>.stride == 64)
        #expect(MemoryLayout<RowLine>.stride == 64)
        #expect(Layout.currentOffset == 128 && Layout.marksOffset == 256 && Layout.pinsOffset == 320)
        #expect(Layout.persistentOffset == 192 && Layout.wakesAlwaysOffset == 200 && Layout.replicationOffset == 204)
        #expect(Layout.lifetimeLock == 12 && Layout.nameLock == 0)
        let usual = Geometry(capacity: 1 << 20)
        #expect((usual.pinCount, usual.rowCount, usual.slotCount) == (1024, 1024, 2049))
        #expect((usual.slotHeadersOffset, usual.rowsOffset, usual.slotsOffset) == (65_856, 196_992, 266_240))
        #expect(usual.fileByteCount == 2_148_798_464 && usual.rowLock(1023) == 196_992 + 64 * 1023)
        let largest = Geometry(capacity: 1 << 30, rowCount: 16_384, pinCount: 16_384)
        #expect(largest.slotCount == 32_769 && largest.fileByteCount == 4_198_400 + 32_769 << 30)
        #expect(Geometry(capacity: 1).stride == 4096 && Geometry(capacity: 4097).stride == 8192)
        for (pins, rows) in [(1, 2), (16, 24), (64, 126), (1024, 1024), (16_384, 16_384)] {
            let (geometry, format) = (
                Geometry(capacity: 5000, rowCount: rows, pinCount: pins), SegmentFormat(pinCount: pins, rowCount: rows)
            )
            #expect(geometry.slotsOffset == format.headerByteCount)
            #expect(geometry.rowLock(1) == format.rowOffset(1))
            #expect(geometry.lines(1..<2, of: .slots).lowerBound == format.slotHeaderOffset(1))
            #expect(geometry.lines(1..<2, of: .pins).lowerBound == format.pinOffset(1))
        }
    }

    @Test("Each field of the header is where the document says, in a file mapped and written through the structs")
    func offsets() throws {
        let segment = try Segment.attach(
            "text", AttachmentOptions(capacity: 5000, rowCount: 20, pinCount: 10, directory: directory.path))
        try segment.set("one")
        let file = try FileDescriptor.open(segment.path, .readWrite)
        let geometry = Geometry(capacity: 5000, rowCount: 20, pinCount: 10)
        let mapping = try SegmentMapping(file, geometry, writable: true)
        let view = mapping.view
        func number(at offset: Int) throws -> UInt64 {
            var value: UInt64 = 0
            _ = try withUnsafeMutableBytes(of: &value) { try file.read(into: $0, at: offset) }
            return value
        }
        let version = try segment.version
        #expect(try number(at: 0) == 0x006d_6465_7261_6873)
        #expect(try number(at: 8) == 2)
        #expect(try number(at: 16) == 5000)
        #expect(try number(at: 24) == version.instance)
        #expect(try (number(at: 32), number(at: 40)) == Host.bootID)
        #expect(try number(at: 48) == view.identity.creationTime)
        #expect(try number(at: 56) == 0)
        #expect(try number(at: 64) == 20 | 10 << 32)
        #expect(try number(at: 72) == UInt64(file.status().identity.inode))
        #expect(try number(at: 128) == 1 | 1 << 48, "number 1 in slot 1")
        #expect(try (0..<3).map { try number(at: 256 + 8 * $0) } == [0, 8, 8], "no pin was needed")
        let (pin, slot, row) = (9, 30, 19)
        let format = SegmentFormat(pinCount: 10, rowCount: 20)
        let process = ProcessDescription(process: 17 << 32 | 16, program: [1, 2, 3, 4])
        view.pins[pin].word.store(11, ordering: .relaxed)
        view.slots[slot].claim.store(12, ordering: .relaxed)
        view.slots[slot].stamp.store(13, ordering: .relaxed)
        view.slots[slot].byteCount.store(14, ordering: .relaxed)
        view.slots[slot].reserved.store(15, ordering: .relaxed)
        view.slots[slot].publicationTime.store(16, ordering: .relaxed)
        view.slots[slot].setter.store(process)
        view.current.recentByteCount.store(23, ordering: .relaxed)
        view.state.awaited.store(21, ordering: .relaxed)
        view.state.woken.store(22, ordering: .relaxed)
        view.rows[row].owner.store(process)
        view.rows[row].attachmentTime.store(19, ordering: .relaxed)
        view.state.persistent.store(1, ordering: .relaxed)
        view.state.retired.store(2, ordering: .relaxed)
        view.state.wakesAlways.store(3, ordering: .relaxed)
        view.state.replication.store(4, ordering: .relaxed)
        #expect(try number(at: format.pinOffset(pin)) == 11)
        #expect(
            try (0..<8).map { try number(at: format.slotHeaderOffset(slot) + 8 * $0) }
                == [12, 13, 14, 15, 16, 17 << 32 | 16, 1, 2])
        #expect(
            try (0..<6).map { try number(at: format.rowOffset(row) + 8 * $0) } == [17 << 32 | 16, 1, 2, 3, 4, 19])
        #expect(try (number(at: 192), number(at: 200)) == (1 | 2 << 32, 3 | 4 << 32))
        #expect(try (number(at: 208), number(at: 216)) == (21, 22))
        #expect(try number(at: 136) == 23)
        for (index, table) in Table.allCases.enumerated() {
            view.raiseMark(of: table, to: 9)
            #expect(try number(at: 256 + 8 * index) == 9)
            view.raiseMark(of: table, to: 7)
            #expect(view.mark(of: table) == 9, "a mark never falls")
        }
        try Segment.unlink("text", directory: directory.path)
        extendLifetime(mapping)
    }

    /// A reader in another language, written from the document alone.
    static let reader = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "format_reader.py")
        .path

    @Test("A reader in another language reads what was set")
    func otherLanguage() async throws {
        let segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        for text in ["", "Esta es una cadena de prueba – 🦤", String(repeating: "long ", count: 100_000)] {
            if !text.isEmpty { try segment.set(text) }
            let result = try await ChildProcess.run("python3", [Self.reader, directory.path, "text"])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.text == "\(try segment.version)\n\(text)")
        }
    }

    /// The reader, while it keeps the file open.
    struct Follower {
        private let process: ChildProcess
        private var count = 0

        init(_ directory: TemporaryDirectory) throws {
            process = try ChildProcess("python3", [reader, directory.path, "text", "--follow"])
        }

        /// Has it read once more; nil if it finds no segment.
        mutating func read() async throws -> String? {
            count += 1
            try process.write(Data("\n".utf8))
            let line = try await eventually("the reader's answer") { [count, process] in
                let lines = process.outputSoFar.split(separator: "\n", omittingEmptySubsequences: false)
                return lines.count > count ? lines[count - 1] : nil
            }
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8), options: .fragmentsAllowed)
            return (object as? [String: String])?["text"]
        }
    }

    @Test("A reader in another language notices that all processes were killed, and finds the next segment")
    func killedUnderReader() async throws {
        var follower = try Follower(directory)
        #expect(try await follower.read() == nil)
        for text in ["first", "second"] {
            let holder = try ChildProcess.probe(.hold(), directory)
            _ = try await holder.line(beginning: "attached")
            try Segment.attach("text", AttachmentOptions(directory: directory.path)).set(text)
            #expect(try await follower.read() == text)
            holder.kill()
            _ = try await holder.finish()
            // Of a killed process, only the file is left.
            #expect(FileManager.default.fileExists(atPath: directory.path(of: "text")))
            #expect(try await follower.read() == nil)
            var newcomer = try Follower(directory)
            #expect(try await newcomer.read() == nil)
        }
    }

    @Test("A reader in another language goes on reading under one of two names when the other is unlinked")
    func hardLink() async throws {
        let segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        try segment.set("one")
        var follower = try Follower(directory)
        #expect(try await follower.read() == "one")
        #expect(link(directory.path(of: "text"), directory.path(of: "other")) == 0)
        try Segment.unlink("other", directory: directory.path)
        try segment.set("two")
        #expect(try await follower.read() == "two")
        try Segment.unlink("text", directory: directory.path)
        #expect(try await follower.read() == nil)
        let next = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        try next.set("three")
        #expect(try await follower.read() == "three")
        extendLifetime(segment)
    }
}
