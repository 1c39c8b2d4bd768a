import Foundation
import SharedMemory
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemoryKeep

/// Segments on a tmpfs, and the directory in which their texts are kept.
@Suite("A keeper", .fewAtATime)
struct KeeperTests {
    let directory: TemporaryDirectory
    let disk: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        disk = try TemporaryDirectory(under: "/var/tmp")
    }

    /// What a keeper reports.
    final class Reports: Sendable {
        private let all = Mutex<[String]>([])
        var lines: [String] { all.withLock { $0 } }
        func add(_ line: String) { all.withLock { $0.append(line) } }
    }

    let reports = Reports()

    func keeper(_ configure: (inout Keeper.Settings) -> Void = { _ in }) throws -> Keeper {
        var settings = Keeper.Settings(directory: disk.path)
        settings.intervalMilliseconds = 50
        settings.report = reports.add
        configure(&settings)
        return try Keeper(settings)
    }

    func options(capacity: Int? = nil) -> AttachmentOptions {
        AttachmentOptions(lifetime: .persistent, capacity: capacity, directory: directory.path)
    }

    func segment(_ name: String = "text", capacity: Int? = nil) throws -> Segment {
        try Segment.attach(name, options(capacity: capacity))
    }

    func kept(_ name: String = "text") throws -> [KeptVersion] {
        try Archive.survey(name, DiskStorage(disk.path)) { _, _ in }
    }

    func keptText(_ kept: KeptVersion) throws -> String? {
        try Archive.withText(of: kept, in: DiskStorage(disk.path)) { text in
            String(decoding: text.indices.map { text[$0] }, as: UTF8.self)
        }?.get()
    }

    func eventuallyKept(_ version: Version, _ name: String = "text") async throws -> KeptVersion {
        try await eventually("\(version) of '\(name)' on disk", within: 10) {
            try kept(name).last { $0.version == version }
        }
    }

    /// The keeper after it has kept this text, and stopped; then the segments are gone, as after a reboot.
    func keepAndReboot(_ texts: String..., versions: Int = 1) async throws -> [Version] {
        let keeper = try keeper { $0.versionCount = versions }
        try keeper.add("text", options())
        var set: [Version] = []
        for text in texts {
            set.append(try segment().set(text))
            _ = try await eventuallyKept(set[set.count - 1])
        }
        keeper.stop()
        try Segment.unlink("text", directory: directory.path)
        return set
    }

    // MARK: Keeping

    @Test("The newest version is on disk within a second, whichever process set it")
    func anyProcess() async throws {
        let keeper = try keeper { $0.intervalMilliseconds = Keeper.Settings(directory: "").intervalMilliseconds }
        defer { keeper.stop() }
        try keeper.add("text", options())
        let segment = try segment()
        for number in 1...3 {
            // The first one is written at once, and the others at intervals.
            let version = try segment.set("here \(number)")
            let kept = try await eventuallyKept(version)
            #expect(try keptText(kept) == "here \(number)")
        }
        try await ChildProcess.run(ProbeCommand.executable, [directory.path, "text", "set", "there"])
        let version = try segment.version
        #expect(version.number == 4)
        #expect(try keptText(try await eventuallyKept(version)) == "there")
        // A moment after the file is there.
        try await eventually("the state of the keeper") {
            keeper.status == KeepStatus(failures: 0, lagSeconds: 0) ? () : nil
        }
    }

    @Test("Text of any length is kept and restored", arguments: [0, 1, 4095, 4096, 100_000, 1 << 20])
    func lengths(_ byteCount: Int) async throws {
        let text = String(repeating: "é", count: byteCount / 2) + String(repeating: "x", count: byteCount % 2)
        _ = try await keepAndReboot(text)
        let keeper = try keeper()
        defer { keeper.stop() }
        try keeper.add("text", options())
        let snapshot = try segment().snapshot()
        #expect(snapshot.text == text && snapshot.version.number == 1)
    }

    @Test("However often the text is set, it is written once in an interval, and the last one is not missed")
    func interval() async throws {
        let keeper = try keeper {
            ($0.intervalMilliseconds, $0.versionCount) = (300, 1000)
        }
        try keeper.add("text", options())
        let segment = try segment()
        let begin = ContinuousClock.now
        var last = try segment.version
        while ContinuousClock.now - begin < .milliseconds(1000) { last = try segment.set("again") }
        _ = try await eventuallyKept(last)
        let elapsed = ContinuousClock.now - begin
        #expect(try kept().count <= Int(elapsed / .milliseconds(300)) + 1)
        keeper.stop()
    }

    @Test("Stopping a keeper brings the newest version to disk at once")
    func stopping() throws {
        let keeper = try keeper { $0.intervalMilliseconds = 1_000_000 }
        try keeper.add("text", options())
        let segment = try segment()
        for number in 1...100 { try segment.set("\(number)") }
        keeper.stop()
        #expect(try kept().last?.version == segment.version)
    }

    @Test("A segment that is unlinked and created again is followed, and no keeper creates it")
    func followed() async throws {
        let keeper = try keeper()
        defer { keeper.stop() }
        try keeper.add("text", options())
        let first = try segment()
        _ = try await eventuallyKept(try first.set("first"))
        for capacity in [100, 200] {
            try Segment.unlink("text", directory: directory.path)
            try await Task.sleep(for: .milliseconds(300))
            #expect(try directory.names == [])
            let next = try segment(capacity: capacity)
            #expect(try next.get() == "", "what is kept is for the next start")
            let kept = try await eventuallyKept(try next.set("next \(capacity)"))
            #expect(kept.capacity == capacity)
        }
        // The version before goes once the new one is there.
        let _: Bool = try await eventually("one version") { try kept().count == 1 ? true : nil }
    }

    // MARK: Restoring

    @Test("A segment that does not exist, or was never set, gets the kept text under a new instance")
    func restored() async throws {
        let old = try await keepAndReboot("old")[0]
        for isThere in [false, true] {
            if isThere { _ = try segment() }
            let keeper = try keeper()
            try keeper.add("text", options())
            let snapshot = try segment().snapshot()
            #expect(snapshot.text == "old" && snapshot.version.number == 1)
            #expect(snapshot.version.instance != old.instance)
            keeper.stop()
            // The restored version has taken the place of the one that it was restored from.
            #expect(try kept().map(\.version) == [snapshot.version])
            try Segment.unlink("text", directory: directory.path)
        }
        #expect(reports.lines.filter { $0.contains("was restored from its kept version") }.count == 2)
    }

    @Test("An existing text is never replaced by a kept one")
    func existing() async throws {
        _ = try await keepAndReboot("old")
        let version = try segment().set("")
        let keeper = try keeper()
        try keeper.add("text", options())
        #expect(try segment().version == version)
        keeper.stop()
        #expect(try kept().map(\.version) == [version])
    }

    @Test("A restored segment has the capacity it had, unless another is asked for")
    func capacity() async throws {
        let first = try keeper()
        try first.add("text", options())
        _ = try await eventuallyKept(try segment(capacity: 5000).set(String(repeating: "x", count: 4000)))
        first.stop()
        try Segment.unlink("text", directory: directory.path)
        let second = try keeper()
        #expect(throws: KeepError.tooLong(name: "text", byteCount: 4000, capacity: 3999)) {
            try second.add("text", options(capacity: 3999))
        }
        try Segment.unlink("text", directory: directory.path)
        try second.add("text", options())
        #expect(try segment().capacity == 5000)
        second.stop()
    }

    @Test("A damaged file is set aside, and the version before it is restored")
    func damaged() async throws {
        let damages: [(Data) -> Data] = [
            { $0.dropLast() }, { _ in Data() }, { $0 + [0x61] }, { _ in Data("junk".utf8) },
            { Data($0.dropLast() + [$0[$0.count - 1] ^ 1]) },
            { Data($0.map { $0 == UInt8(ascii: "7") ? UInt8(ascii: "8") : $0 }) + Data() },
            { Data(repeating: 0, count: $0.count) },
        ]
        for (index, damage) in damages.enumerated() {
            let versions = try await keepAndReboot("before", "newest 7", versions: 2)
            let path = "\(disk.path)/text@\(versions[1]).kept"
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try damage(whole).write(to: URL(fileURLWithPath: path))
            let keeper = try keeper { $0.versionCount = 2 }
            try keeper.add("text", options())
            #expect(try segment().get() == "before", "damage \(index)")
            keeper.stop()
            #expect(try disk.names.contains("text@\(versions[1]).kept.damaged"))
            #expect(reports.lines.contains { $0.contains("text@\(versions[1]).kept is damaged") }, "damage \(index)")
            try Segment.unlink("text", directory: directory.path)
            for name in try disk.names { try FileManager.default.removeItem(atPath: "\(disk.path)/\(name)") }
        }
    }

    @Test("If the only kept file is damaged, the segment is created empty")
    func allDamaged() async throws {
        let version = try await keepAndReboot("only")[0]
        try Data("x".utf8).write(to: URL(fileURLWithPath: "\(disk.path)/text@\(version).kept"))
        let keeper = try keeper()
        try keeper.add("text", options())
        keeper.stop()
        #expect(try segment().version.number == 0)
    }

    @Test("Foreign files, those of other segments and what a killed keeper left behind are no versions")
    func foreign() async throws {
        let version = try await keepAndReboot("mine")[0]
        let mine = "\(disk.path)/text@\(version).kept"
        for name in ["notes.txt", "text.kept", ".text.new", "text2@\(version).kept"] {
            try Data("junk".utf8).write(to: URL(fileURLWithPath: "\(disk.path)/\(name)"))
        }
        // A copy under another name is not that version.
        try FileManager.default.copyItem(atPath: mine, toPath: "\(disk.path)/text@0000000000000001-9.kept")
        let keeper = try keeper()
        try keeper.add("text", options())
        #expect(try segment().get() == "mine")
        keeper.stop()
        let names = try disk.names
        #expect(names.contains("notes.txt") && names.contains("text.kept") && names.contains("text2@\(version).kept"))
        #expect(!names.contains(".text.new"))
        #expect(names.contains("text@0000000000000001-9.kept.damaged"))
    }

    @Test("A kept file that cannot be read is an error, and not an empty text")
    func unreadable() async throws {
        let version = try await keepAndReboot("mine")[0]
        let path = "\(disk.path)/text@\(version).kept"
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let keeper = try keeper()
        defer { keeper.stop() }
        #expect {
            try keeper.add("text", options())
        } throws: {
            if case KeepError.unreadable(name: "text", path: _, reason: _) = $0 { true } else { false }
        }
        #expect(try directory.names == [])
    }

    // MARK: Versions

    @Test("As many versions are kept as are asked for, and the order of sequences counts, not that of the clock")
    func versions() async throws {
        let versions = try await keepAndReboot("1", "2", "3", "4", versions: 3)
        #expect(try kept().map(\.version) == Array(versions.suffix(3)))
        #expect(try kept().map(keptText) == ["2", "3", "4"])
        let keeper = try keeper { $0.versionCount = 3 }
        try keeper.add("text", options())
        let restored = try segment().version
        _ = try await eventuallyKept(restored)
        try await eventually("the state of the keeper") {
            keeper.predecessor(of: restored, of: "text") == versions[2] ? () : nil
        }
        #expect(keeper.predecessor(of: versions[2], of: "text") == versions[1])
        #expect(keeper.predecessor(of: versions[1], of: "text") == nil)
        keeper.stop()
        #expect(try kept().map(\.version) == [versions[1], versions[2], restored])
        let fewer = try self.keeper { $0.versionCount = 1 }
        try fewer.add("text", options())
        let last = try segment().set("5")
        fewer.stop()
        #expect(try kept().map(\.version) == [last])
    }

    // MARK: Several keepers

    @Test("A second keeper of the same segment in the same directory is refused; of another segment, it is not")
    func twice() throws {
        let (first, second) = (try keeper(), try keeper())
        try first.add("text", options())
        #expect(throws: KeepError.inUse(name: "text", path: disk.path)) { try second.add("text", options()) }
        try second.add("other", options())
        first.stop()
        try second.add("text", options())
        second.stop()
    }

    // MARK: Trouble

    @Test("An outage is reported once when it begins and once when it ends, is counted, and the newest version follows")
    func outage() async throws {
        let keeper = try keeper()
        defer { keeper.stop() }
        try keeper.add("text", options())
        let segment = try segment()
        _ = try await eventuallyKept(try segment.set("before"))
        let elsewhere = "\(disk.path)-elsewhere"
        try FileManager.default.moveItem(atPath: disk.path, toPath: elsewhere)
        try segment.set("during")
        try await eventually("failures") { keeper.status.failures >= 2 ? () : nil }
        // Time passes between two looks.
        try await eventually("one status for the segment and for all") {
            let status = keeper.status
            return status.lagSeconds >= 1 && keeper.status(of: "text") == status ? () : nil
        }
        let awaited = try segment.set("awaited")
        let outcome = await withCheckedContinuation { continuation in
            keeper.whenKept(awaited, of: "text") { continuation.resume(returning: $0) }
        }
        #expect(outcome == .notKept(reason: "No such file or directory"))
        try FileManager.default.moveItem(atPath: elsewhere, toPath: disk.path)
        _ = try await eventuallyKept(try segment.set("after"))
        try await eventually("the end of the outage") { keeper.status.lagSeconds == 0 ? () : nil }
        try await eventually("the report of the end") { reports.lines.count == 2 ? () : nil }
        #expect(reports.lines[0].hasPrefix("'text' cannot be kept on disk: "), "\(reports.lines)")
        #expect(reports.lines[1] == "text is kept on disk again")
    }

    @Test("A directory that cannot be used is refused, and one on a tmpfs is reported")
    func places() throws {
        for (path, reason) in [("/no/such/place", "No such file or directory"), ("/dev/null", "Not a directory")] {
            #expect(throws: KeepError.directory(path: path, reason: reason)) { try keeper { $0.directory = path } }
        }
        let made = "\(directory.path)/made"
        try keeper { $0.directory = made }.stop()
        let attributes = try FileManager.default.attributesOfItem(atPath: made)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
        #expect(reports.lines.count == 1 && reports.lines[0].hasPrefix("\(made) is on a tmpfs"), "\(reports.lines)")
    }
}
