import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

@testable import LinuxSystem
@testable import SharedMemoryKeep

/// The bytes of a kept file: what `docs/keep.md` promises.
@Suite("Kept files", .fewAtATime)
struct KeptVersionTests {
    static let version = Version(instance: 0xbf51_aad6_d45c_6afb, number: 2)

    static func file(_ text: [UInt8], name: String = "shared") -> (kept: KeptVersion, bytes: [UInt8]) {
        let kept = KeptVersion(
            name: name, version: version, sequence: 17, publicationTime: Timestamp(nanosecondsSince1970: 1_764_400_000),
            capacity: 100, byteCount: text.count)
        return (kept, kept.header(for: text.span) + text)
    }

    @Test("The checksum is CRC-64/XZ, whatever the pieces")
    func checksum() {
        let bytes = Array("123456789".utf8)
        for cut in 0...9 {
            var checksum = Checksum()
            checksum.add(bytes.span.extracting(0..<cut))
            checksum.add(bytes.span.extracting(cut..<9))
            #expect(checksum.value == 0x995d_c9bb_df19_39fa)
        }
        // A bit at a time, as the definition has it.
        let long = ChecksummedText.make(byteCount: 1000, seed: 1)
        var crc = UInt64.max
        for byte in long {
            crc ^= UInt64(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xc96c_5795_d787_0f42 : 0) }
        }
        var checksum = Checksum()
        checksum.add(long.span)
        #expect(checksum.value == ~crc)
    }

    @Test("The file of the document's example is the one that is written, byte for byte")
    func document() throws {
        let text = Array("feature.x = on".utf8)
        let kept = KeptVersion(
            name: "shared", version: Self.version, sequence: 17,
            publicationTime: Timestamp(nanosecondsSince1970: 1_764_400_000_000_000_000), capacity: 1 << 20,
            byteCount: text.count)
        let file = String(decoding: kept.header(for: text.span) + text, as: UTF8.self)
        let document = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/keep.md")
        #expect(try String(contentsOf: document, encoding: .utf8).contains("```text\n\(file)\n```"))
        #expect(kept.fileName == "shared@bf51aad6d45c6afb-2.kept")
    }

    @Test("A file is read as it was written", arguments: [0, 1, 7, 8, 9, 1000, 1 << 20])
    func whole(_ byteCount: Int) throws {
        let text = ChecksummedText.make(byteCount: byteCount, seed: 3)
        let (kept, bytes) = Self.file(text)
        let (parsed, offset) = try KeptVersion.parse(bytes.span)
        #expect(parsed == kept && Array(bytes[offset...]) == text)
    }

    @Test("A file with one changed bit is damaged, wherever the bit is")
    func bits() {
        let (_, bytes) = Self.file(Array("feature.x = on\nfeature.y = off\n".utf8))
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                #expect(throws: Damage.self, "byte \(index), bit \(bit)") { _ = try KeptVersion.parse(damaged.span).0 }
            }
        }
    }

    @Test("A file that is cut short or goes on is damaged")
    func lengths() {
        let (_, bytes) = Self.file(Array("feature.x = on".utf8))
        for count in 0..<bytes.count {
            #expect(throws: Damage.self) { _ = try KeptVersion.parse(Array(bytes.prefix(count)).span).0 }
            let zeroed = bytes.prefix(count) + [UInt8](repeating: 0, count: bytes.count - count)
            #expect(throws: Damage.self) { _ = try KeptVersion.parse(Array(zeroed).span).0 }
        }
        #expect(throws: Damage.self) { _ = try KeptVersion.parse((bytes + [0x61]).span).0 }
        #expect(throws: Damage.self) { _ = try KeptVersion.parse((bytes + bytes).span).0 }
    }

    @Test("The longest header fits its limit")
    func longest() throws {
        let kept = KeptVersion(
            name: String(repeating: "n", count: 200), version: Version(instance: .max, number: .max),
            sequence: 1 << 62 - 1, publicationTime: Timestamp(nanosecondsSince1970: .max),
            capacity: Segment.maximumCapacity, byteCount: 0)
        let header = kept.header(for: Span())
        #expect(header.count <= KeptVersion.maximumHeaderByteCount)
        #expect(try KeptVersion.parse(header.span).0 == kept)
        #expect((kept.fileName + ".damaged").utf8.count <= 255, "a file's name has 255 bytes at most")
    }
}
