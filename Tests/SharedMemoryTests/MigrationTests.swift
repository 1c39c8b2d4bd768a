import Foundation
import LinuxSystem
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

@Suite("Migration from layout version 1", .fewAtATime)
struct MigrationTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.path(of: name) }

    func write(_ change: (inout FirstLayoutFile) -> Void = { _ in }) throws {
        var file = FirstLayoutFile()
        change(&file)
        try file.write(to: path)
    }

    /// Expects that migrating fails with this error, and that the file is as it was, and the only one.
    func expectRefusal(_ error: SegmentError, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let before = try content()
        #expect(throws: error, sourceLocation: sourceLocation) { try Segment.migrate(name, directory: directory.path) }
        #expect(try content() == before, sourceLocation: sourceLocation)
        #expect(try directory.names == ["text.sharedmem"], sourceLocation: sourceLocation)
    }

    /// The file's identity and its first 24 KiB, and with the last slot the end of the file.
    private func content() throws -> [Data] {
        let file = try #require(FileHandle(forReadingAtPath: path))
        let inode = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
        let head = try file.read(upToCount: 24_576) ?? Data()
        let end = try file.seekToEnd()
        try file.seek(toOffset: end > 1 << 20 ? end - 1 << 20 : 0)
        return [Data("\(inode ?? 0)".utf8), head, try file.readToEnd() ?? Data()]
    }

    @Test(
        "The text, its version and times, the capacity and the mode stay, and the segment is used on",
        arguments: ["", "from layout 1", "ñ 東京 🦤", String(repeating: "0123456789abcdef", count: 1 << 16)])
    func textStays(_ text: String) throws {
        try write {
            $0.capacity = 1 << 20 + 1
            $0.text = Data(text.utf8)
            $0.slot = 3
            $0.mode = 0o640
        }
        let error = #expect(throws: SegmentError.self) { try Segment.read(name, directory: directory.path) }
        #expect("\(String(describing: error))".contains("sharedmem migrate"))
        #expect(try Segment.migrate(name, directory: directory.path))
        let snapshot = try Segment.read(name, directory: directory.path)
        #expect(snapshot.text == text)
        #expect(snapshot.version == Version(instance: 0x0123_4567_89ab_cdef, number: 7))
        #expect(snapshot.publicationTime.nanosecondsSince1970 == 1_790_000_001_000_000_000)
        let info = try Segment.info(name, directory: directory.path)
        #expect(info.capacity == 1 << 20 + 1 && info.mode == 0o640 && info.lifetime == .persistent)
        #expect(info.creationTime.nanosecondsSince1970 == 1_790_000_000_000_000_000)
        #expect(info.memoryByteCount < text.utf8.count + 8 * 4096)
        let segment = try Segment.attach(name, AttachmentOptions(directory: directory.path))
        #expect(try segment.get() == text)
        for round in 1...20 {
            #expect(try segment.set("\(round)").number == UInt64(7 + round))
            #expect(try segment.get() == "\(round)")
        }
        #expect(try directory.names == ["text.sharedmem"])
    }

    @Test("A segment that was never set stays so")
    func neverSet() throws {
        try write { $0.number = 0 }
        #expect(try Segment.migrate(name, directory: directory.path))
        let segment = try Segment.attach(name, AttachmentOptions(directory: directory.path))
        #expect(try segment.version == Version(instance: 0x0123_4567_89ab_cdef, number: 0))
        #expect(try segment.get() == "" && segment.set("x").number == 1)
    }

    @Test("A reader in another language finds the text by the document")
    func byTheDocument() async throws {
        try write()
        try Segment.migrate(name, directory: directory.path)
        let reader = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "format_reader.py")
        let result = try await ChildProcess.run("python3", [reader.path, directory.path, name])
        #expect(result.text == "0123456789abcdef-7\nfrom layout 1", "\(result.errors)")
    }

    @Test("A segment of this layout is left as it is, whether processes are attached or not")
    func thisLayout() throws {
        let segment = try Segment.attach(name, AttachmentOptions(lifetime: .persistent, directory: directory.path))
        try segment.set("x")
        #expect(try !Segment.migrate(name, directory: directory.path))
        #expect(try segment.get() == "x" && !segment.isUnlinked)
        #expect(throws: SegmentError.notFound(name: "none", directory: directory.path, found: [name])) {
            try Segment.migrate("none", directory: directory.path)
        }
    }

    @Test("While a process of the earlier version is attached, migrating is refused; once it has ended, it works")
    func attached() throws {
        try write()
        do {
            let other = try FileDescriptor.open(path, .readWrite)
            #expect(try other.tryLockShared(byte: Layout.lifetimeLock))
            try expectRefusal(.stillAttached(name: name))
            extendLifetime(other)
        }
        #expect(try Segment.migrate(name, directory: directory.path))
    }

    @Test("While another process removes the name or checks for leftovers, migrating is busy", arguments: [0, 12])
    func locked(byte: Int) throws {
        try write()
        let other = try FileDescriptor.open(path, .readWrite)
        #expect(try other.tryLockExclusive(byte: byte))
        try expectRefusal(.busy(doing: "migrating 'text'"))
        extendLifetime(other)
    }

    @Test("What killed processes left behind is not migrated, unless a process has asked for persistence")
    func leftover() throws {
        try write { $0.lifetime = 0 }
        try expectRefusal(.leftover(name: name, directory: directory.path))
        try FileManager.default.removeItem(atPath: path)
        try write {
            $0.lifetime = 0
            $0.sticky = 1
        }
        #expect(try Segment.migrate(name, directory: directory.path))
        #expect(try Segment.read(name, directory: directory.path).text == "from layout 1")
    }

    @Test("A file that is damaged or of another kind is refused with the reason, and stays")
    func damaged() throws {
        let cases: [(SegmentError, (inout FirstLayoutFile) -> Void)] = [
            (.corrupted(path: path, reason: "the current slot is 191"), { ($0.slot, $0.text) = (191, Data()) }),
            (.corrupted(path: path, reason: "the current text has another's stamp"), { $0.stamp = 6 }),
            (.corrupted(path: path, reason: "the text has 1048577 bytes"), { $0.byteCount = 1 << 20 + 1 }),
            (.corrupted(path: path, reason: "the number is \(UInt64(1) << 48)"), { $0.number = 1 << 48 }),
            (.corrupted(path: path, reason: "the text is not UTF-8 without U+0000"), { $0.text = Data([65, 0xff]) }),
            (.corrupted(path: path, reason: "the text is not UTF-8 without U+0000"), { $0.text = Data([65, 0, 66]) }),
            (.otherKernel(path: path), { $0.bootID = (1, 2) }),
            (.otherLayout(path: path, version: 3, ownVersion: 2), { $0.layoutVersion = 3 }),
            (.notASegment(path: path, reason: "its header is invalid"), { $0.lifetime = 2 }),
            (
                .notASegment(path: path, reason: "it has features that this library does not know (4)"),
                { $0.features = 4 }
            ),
        ]
        for (error, change) in cases {
            try write(change)
            try expectRefusal(error)
            try FileManager.default.removeItem(atPath: path)
        }
        try write()
        #expect(truncate(path, 24_576) == 0)
        try expectRefusal(.notASegment(path: path, reason: "it has 24576 bytes instead of \(24_576 + 191 << 20)"))
    }

    @Test("What a killed migration left behind is removed by the next one")
    func killedBefore() throws {
        try write()
        try Data("half".utf8).write(to: URL(fileURLWithPath: "\(directory.path)/.text.migrating"))
        #expect(try Segment.migrate(name, directory: directory.path))
        #expect(try directory.names == ["text.sharedmem"])
    }

    @Test("Root keeps the owner and the group, and must trust the owner", .enabled(if: geteuid() == 0))
    func owner() throws {
        try write { $0.mode = 0o660 }
        #expect(chown(path, 12_345, 23_456) == 0)
        #expect(throws: SegmentError.untrustedOwner(path: path, owner: 12_345)) {
            try Segment.migrate(name, directory: directory.path)
        }
        #expect(try Segment.migrate(name, directory: directory.path, trustedOwners: [.user(12_345)]))
        let info = try Segment.info(name, directory: directory.path)
        #expect(info.owner == 12_345 && info.group == 23_456 && info.mode == 0o660)
    }
}
