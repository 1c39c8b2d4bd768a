import SharedMemory
import TestSupport
import TestTraits
import Testing

@testable import SharedMemoryKeep

/// A keeper of a whole directory, which is told what the names lead to.
@Suite("A keeper of a directory", .fewAtATime)
struct DirectoryKeeperTests {
    let directory: TemporaryDirectory
    let disk: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        disk = try TemporaryDirectory(under: "/var/tmp")
    }

    var options: AttachmentOptions {
        AttachmentOptions(lifetime: .persistent, capacity: 1000, directory: directory.path)
    }

    func keeper() throws -> Keeper {
        var settings = Keeper.Settings(directory: disk.path)
        settings.wholeDirectory = options
        return try Keeper(settings)
    }

    func kept() throws -> [Version] {
        try Archive.survey("text", DiskStorage(disk.path)) { _, _ in }.map(\.version)
    }

    /// Sets the text of a segment that the keeper is told of, and waits until that is on disk.
    func keep(_ text: String, _ keeper: Keeper) async throws -> Version {
        let version = try Segment.attach("text", options).set(text)
        keeper.follow("text", try SegmentGlance("text", directory: directory.path))
        #expect(await outcome(of: version, keeper) == .kept)
        return version
    }

    func outcome(of version: Version, _ keeper: Keeper) async -> KeepOutcome {
        await withCheckedContinuation { continuation in
            keeper.whenKept(version, of: "text") { continuation.resume(returning: $0) }
        }
    }

    @Test("A segment that was unlinked just before the keeper stops is noticed, though nothing was told")
    func unlinkedAtTheEnd() async throws {
        let keeper = try keeper()
        _ = try await keep("x", keeper)
        try Segment.unlink("text", directory: directory.path)
        keeper.stop()
        #expect(try kept() == [])
    }

    @Test("A version of a segment that has just got the name is not answered for by the one before it")
    func untoldReplacement() async throws {
        let keeper = try keeper()
        defer { keeper.stop() }
        _ = try await keep("old", keeper)
        try Segment.unlink("text", directory: directory.path)
        let version = try Segment.attach("text", options).set("new")
        #expect(await outcome(of: version, keeper) == .kept)
        #expect(try kept().contains(version))
        try await eventually("the new history alone") { try kept() == [version] ? () : nil }
    }

    @Test("A removal that is told late does not touch the segment that has the name by then")
    func lateRemoval() async throws {
        let keeper = try keeper()
        defer { keeper.stop() }
        _ = try await keep("old", keeper)
        try Segment.unlink("text", directory: directory.path)
        let version = try await keep("new", keeper)
        let outcome = await withCheckedContinuation { continuation in
            keeper.remove("text") { continuation.resume(returning: $0) }
        }
        #expect(try outcome == .kept && kept() == [version])
    }

    @Test("While a keeper stops, nobody waits for a removal, which is carried out all the same")
    func removalWhileStopping() async throws {
        let keeper = try keeper()
        _ = try await keep("x", keeper)
        keeper.release()
        try Segment.unlink("text", directory: directory.path)
        let outcome = await withCheckedContinuation { continuation in
            keeper.remove("text") { continuation.resume(returning: $0) }
        }
        #expect(outcome == .notKept(reason: "the server is shutting down"))
        keeper.stop()
        #expect(try kept() == [])
    }
}
