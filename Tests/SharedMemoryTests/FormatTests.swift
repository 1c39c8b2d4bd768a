import Foundation
import LinuxSystem
import Synchronization
import TestSupport
import Testing

@testable import SharedMemory

@Suite("Format")
struct FormatTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("Each line has 64 bytes, and the regions are where the document says")
    func sizes() {
        #expect(MemoryLayout<Identity>.size == 64)
        #expect(MemoryLayout<CurrentLine>.stride == 64)
        #expect(MemoryLayout<StateLine>.stride == 64)
        #expect(MemoryLayout<PinLine>.stride == 64)
        #expect(MemoryLayout<SlotLine>.stride == 64)
        #expect(MemoryLayout<RowLine>.stride == 64)
        #expect(MemoryLayout<Header>.size == 24_576 && Layout.slotsOffset == 24_576)
        #expect(MemoryLayout<Header>.alignment == 8)
        #expect((Layout.pinCount, Layout.rowCount, Layout.slotCount) == (64, 126, 191))
        #expect(Layout.pinsOffset == 192 && Layout.rowsOffset == 16_512)
        #expect(Layout.persistentOffset == 128 && Layout.wakesAlwaysOffset == 136)
        #expect(Layout.lifetimeLock == 12 && Layout.nameLock == 0 && Layout.rowLock(125) == 16_512 + 64 * 125)
        #expect(Layout.stride(capacity: 1) == 4096 && Layout.stride(capacity: 4097) == 8192)
    }

    @Test("Each field of the header is where the document says, in a file mapped and written through the structs")
    func offsets() throws {
        let segment = try Segment.attach("text", AttachmentOptions(capacity: 5000, directory: directory.path))
        try segment.set("one")
        let file = try FileDescriptor.open(segment.path, .readWrite)
        let mapping = try Mapping(file, byteCount: Layout.fileByteCount(capacity: 5000), writable: true)
        let header = SegmentView(mapping, capacity: 5000)
        func number(at offset: Int) throws -> UInt64 {
            var value: UInt64 = 0
            _ = try withUnsafeMutableBytes(of: &value) { try file.read(into: $0, at: offset) }
            return value
        }
        let version = try segment.version
        #expect(try number(at: 0) == 0x006d_6465_7261_6873)
        #expect(try number(at: 8) == 1)
        #expect(try number(at: 16) == 5000)
        #expect(try number(at: 24) == version.instance)
        #expect(try (number(at: 32), number(at: 40)) == Host.bootID)
        #expect(try number(at: 48) == header.header.identity.creationTime)
        #expect(try number(at: 56) == 0)
        #expect(try number(at: 64) == 1 << 8 | 1, "number 1 in slot 1")
        let (pin, slot, row) = (63, 190, 125)
        header.header.pins[pin].word.store(11, ordering: .relaxed)
        header.header.slots[slot].claim.store(12, ordering: .relaxed)
        header.header.slots[slot].stamp.store(13, ordering: .relaxed)
        header.header.slots[slot].byteCount.store(14, ordering: .relaxed)
        header.header.slots[slot].reserved.store(15, ordering: .relaxed)
        header.header.slots[slot].publicationTime.store(16, ordering: .relaxed)
        header.header.state.awaited.store(21, ordering: .relaxed)
        header.header.state.woken.store(22, ordering: .relaxed)
        header.header.rows[row].processID.store(18, ordering: .relaxed)
        header.header.rows[row].attachmentTime.store(19, ordering: .relaxed)
        header.header.rows[row].program[3].word.store(20, ordering: .relaxed)
        header.header.state.persistent.store(1, ordering: .relaxed)
        header.header.state.retired.store(2, ordering: .relaxed)
        header.header.state.wakesAlways.store(3, ordering: .relaxed)
        #expect(try number(at: 192 + 64 * pin) == 11)
        #expect(try (0..<5).map { try number(at: 4288 + 64 * slot + 8 * $0) } == [12, 13, 14, 15, 16])
        #expect(try (0..<2).map { try number(at: 16_512 + 64 * row + 8 * $0) } == [18, 19])
        #expect(try number(at: 16_512 + 64 * row + 40) == 20)
        #expect(try (number(at: 128), number(at: 136)) == (1 | 2 << 32, 3))
        #expect(try (number(at: 144), number(at: 152)) == (21, 22))
        header.header.pins[pin].word.store(0, ordering: .relaxed)
        try Segment.unlink("text", directory: directory.path)
        extendLifetime(mapping)
    }

    @Test("A reader in another language, written from the document alone, reads what was set")
    func otherLanguage() async throws {
        let segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        let reader = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "format_reader.py")
            .path
        for text in ["", "Esta es una cadena de prueba – 🦤", String(repeating: "long ", count: 100_000)] {
            if !text.isEmpty { try segment.set(text) }
            let result = try await ChildProcess.run("python3", [reader, directory.path, "text"])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.text == "\(try segment.version)\n\(text)")
        }
    }
}
