import Foundation
import LinuxSystem
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// Processes that are stopped between a look and the step that relies on it, while others make changes.
@Suite("Overtaken between two steps", .fewAtATime)
struct OvertakenTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    func text(_ byteCount: Int, _ seed: UInt64) -> String {
        String(decoding: ChecksummedText.make(byteCount: byteCount, seed: seed), as: UTF8.self)
    }

    // MARK: Setting

    @Test("A slot that was current when it was claimed, and was borrowed since, is not filled")
    func claimedWhatIsBorrowed() async throws {
        let segment = try attach()
        // The writer has chosen slot 1, and so does the next set; the writer claims it all the same.
        let writer = try await probe(stoppedAt: .setChosen, then: .setClaimed, .set("late"))
        try segment.set("borrowed")
        try await goOn(writer)
        let reader = try probe(.borrow)
        #expect(try await reader.line(beginning: "borrowed ") == "8")
        // The slot is pinned, and no longer current.
        try segment.set("another")
        writer.send(SIGCONT)
        #expect(try await writer.finish().status == 0)
        #expect(try segment.get() == "late")
        try reader.write(Data("\n".utf8))
        #expect(try await reader.line(beginning: "unchanged ") == "true")
    }

    @Test("A writer that lost a race stamps its text again, so that readers without a pin can read it")
    func stampedAgain() async throws {
        let segment = try attach()
        let readOnly = try attach(.readOnly)
        let writer = try await probe(stoppedAt: .setNumbered, .set("late"))
        try segment.set("sooner")
        writer.send(SIGCONT)
        #expect(try await writer.finish().status == 0)
        #expect(try readOnly.get() == "late")
        #expect(try readOnly.version.number == 2)
    }

    @Test("A condition is evaluated again after a lost race")
    func conditionAskedAgain() async throws {
        let segment = try attach()
        let version = try segment.set("first")
        let writer = try await probe(stoppedAt: .setNumbered, .setIf(version: "\(version)", "late"))
        let second = try segment.set("second")
        writer.send(SIGCONT)
        let end = try await writer.finish()
        #expect(end.status == 1 && end.errors == "\(SegmentError.versionMismatch(current: second))\n", "\(end.errors)")
        #expect(try segment.get() == "second")
    }

    @Test("A slot that is being filled has a stamp of all ones, which is not a number")
    func beingFilled() async throws {
        let segment = try attach()
        let writer = try await probe(stoppedAt: .setStamped, .set("late"))
        let stamp = try withView { $0.slots[1].stamp.load(ordering: .relaxed) }
        #expect(stamp == .max && stamp > PublicationWord.maximumNumber)
        extendLifetime((segment, writer))
    }

    @Test("The time of a version is never earlier than that of the version before, whatever the clock shows")
    func timesNeverGoBack() throws {
        let segment = try attach()
        try segment.set("tomorrow's")
        let tomorrow = Clock.realtimeNanoseconds + 86_400 * 1_000_000_000
        try withView { $0.slots[1].publicationTime.store(tomorrow, ordering: .relaxed) }
        try segment.set("today's")
        #expect(try segment.snapshot().publicationTime.nanosecondsSince1970 == tomorrow)
    }

    @Test("Reserving memory finishes however often signals interrupt it")
    func reservesUnderSignals() async throws {
        let result = try await probe(.setUnderSignals(intervalMicroseconds: 2000, byteCount: 256 << 20)).finish()
        #expect(result.text.hasSuffix("-1\n"), "\(result.text)\(result.errors)")
    }

    // MARK: Borrowing and copying

    @Test("A reader that is overtaken again while it moves its pin moves it again")
    func pinnedAgainTwice() async throws {
        let segment = try attach()
        try segment.set(text(500, 1))
        let reader = try await probe(stoppedAt: .borrowLoaded, then: .borrowPinnedAgain, .readOnce(.readWrite))
        try segment.set(text(500, 2))
        try await goOn(reader)
        var last = try segment.version
        for seed in 0..<1000 { last = try segment.set(text(500, UInt64(seed))) }
        reader.send(SIGCONT)
        #expect(try await reader.finish().text == "\(last) true\n")
    }

    @Test(
        "A reader without a pin does not return bytes from a slot that is being filled",
        arguments: [100, 50_000])
    func copiedWhileFilled(_ byteCount: Int) async throws {
        let segment = try attach()
        try segment.set(text(byteCount, 1))
        let reader = try await probe(stoppedAt: .copyStamped, .readOnce(.readOnly))
        var last = try segment.version
        // Eight slots are in use by turns; the next to be filled is the reader's.
        for seed in 2...8 { last = try segment.set(text(byteCount, UInt64(seed))) }
        let writer = try await probe(stoppedAt: .setFilled, .set("late"))
        reader.send(SIGCONT)
        #expect(try await reader.finish().text == "\(last) true\n")
        extendLifetime(writer)
    }

    @Test("Text of any size stays whole for two more sets, so that readers without a pin do not starve")
    func threeInTurn() async throws {
        let segment = try attach()
        let first = try segment.set(text(1 << 20, 1))
        let reader = try await probe(stoppedAt: .copyStamped, .readOnce(.readOnly))
        for seed in 2...3 { try segment.set(text(1 << 20, UInt64(seed))) }
        reader.send(SIGCONT)
        #expect(try await reader.finish().text == "\(first) true\n")
    }

    // MARK: Attaching and detaching

    @Test("A process that attaches while the creator is stopped after naming the segment gets the same segment")
    func creatorGoesOn() async throws {
        let creator = try await probe(stoppedAt: .attachNamed, .set("the creator's"))
        let segment = try attach()
        try segment.set("sooner")
        creator.send(SIGCONT)
        let version = try #require(Version(String(try await creator.finish().text.dropLast())))
        #expect(try segment.snapshot().text == "the creator's")
        #expect(try segment.version == version && version.number == 2)
    }

    @Test(
        "A process whose opened file is unlinked meanwhile attaches to the segment that the name then leads to",
        arguments: [PausePoint.attachOpened, .attachNotLeftover, .aliveLookedAtLock, .attachSharedLifetime])
    func openedIsUnlinked(_ step: PausePoint) async throws {
        let old = try attach()
        try old.set("old")
        let child = try await probe(stoppedAt: step, .set("late"))
        try Segment.unlink(name, directory: directory.path)
        let new = try attach()
        child.send(SIGCONT)
        #expect(try await child.finish().status == 0)
        #expect(try new.get() == "late")
        #expect(try old.get() == "old")
    }

    @Test("A segment that becomes persistent between another process's look and its lock is not a leftover")
    func persistentMeanwhile() async throws {
        do {
            let segment = try attach()
            let child = try await probe(stoppedAt: .leftoverNotPersistent, .get)
            do { try attach(.readWrite, .persistent).set("to stay") }
            extendLifetime(segment)
            child.send(SIGCONT)
            #expect(try await child.finish().text == "to stay")
        }
        #expect(try Segment.read(name, directory: directory.path).text == "to stay")
    }

    @Test("A segment that becomes persistent while its last process detaches stays")
    func persistentAndLeft() async throws {
        var segment: Segment? = try attach()
        let child = try await probe(stoppedAt: .leftoverNotPersistent, .get)
        do { try attach(.readWrite, .persistent).set("to stay") }
        segment = nil
        #expect(segment == nil)
        child.send(SIGCONT)
        #expect(try await child.finish().text == "to stay")
    }

    @Test("A segment that becomes persistent and is left between a reader's two looks is found")
    func persistentBetweenLooks() async throws {
        var segment: Segment? = try attach()
        try segment?.set("to stay")
        let reader = try await probe(stoppedAt: .aliveLookedAtLock, .readOnce(.readOnly))
        do { _ = try attach(.readWrite, .persistent) }
        segment = nil
        #expect(segment == nil)
        reader.send(SIGCONT)
        let result = try await reader.finish()
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test("Asking for persistence does not revive a leftover")
    func persistenceAtLeftover() async throws {
        try await leaveBehind("old")
        #expect(try attach(.readWrite, .persistent).get() == "")
    }

    @Test("A process that removes a leftover, and is overtaken by an unlink, does not touch the next segment")
    func removerOvertaken() async throws {
        try await leaveBehind("old")
        let remover = try await probe(stoppedAt: .attachFoundLeftover, .get)
        try Segment.unlink(name, directory: directory.path)
        let segment = try attach()
        try segment.set("new")
        remover.send(SIGCONT)
        #expect(try await remover.finish().text == "new")
        #expect(try !segment.isUnlinked)
    }

    @Test(
        "While a process is stopped in unlinking, others are told to try again, and none unlinks the next segment",
        arguments: [PausePoint.unlinkLocked, .unlinkChecked])
    func unlinkerGoesOn(_ step: PausePoint) async throws {
        let segment = try attach()
        let child = try await probe(stoppedAt: step, .unlink)
        #expect(throws: SegmentError.busy(doing: "unlinking 'text'")) {
            try Segment.unlink(name, directory: directory.path)
        }
        #expect(try !segment.isUnlinked)
        child.send(SIGCONT)
        #expect(try await child.finish().status == 0)
        #expect(try segment.isUnlinked)
    }

    @Test(
        "A process that attaches while the last one removes the segment is told to try again, and then gets a new one")
    func lastDetacherGoesOn() async throws {
        let child = try await probe(stoppedAt: .detachFoundNobody, .set("old"))
        #expect(throws: SegmentError.busy(doing: "attaching to 'text'")) { try attach() }
        child.send(SIGCONT)
        #expect(try await child.finish().status == 0)
        let segment = try attach()
        #expect(try segment.get() == "")
        #expect(try !segment.isUnlinked)
    }

    @Test("Unlinking marks the file as retired for the attached processes")
    func unlinkedSaysSo() throws {
        let segment = try attach()
        let file = try #require(FileHandle(forReadingAtPath: path))
        try Segment.unlink(name, directory: directory.path)
        try file.seek(toOffset: UInt64(SegmentFormat.stateOffset + 4))
        #expect(try file.read(upToCount: 4) == Data([1, 0, 0, 0]))
        extendLifetime(segment)
    }

    @Test("Neither a core dump nor a forked child contains the mapping")
    func mappingStaysHere() throws {
        let segment = try attach()
        // A file in /proc comes in pieces, and only FileHandle asks for all of them.
        let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
        let maps = String(decoding: try #require(try file.readToEnd()), as: UTF8.self)
        let mapping = try #require(maps.components(separatedBy: directory.path).dropFirst().first)
        let flags = try #require(mapping.split(separator: "\n").first { $0.hasPrefix("VmFlags:") })
        #expect(Set(["dd", "dc", "sh"]).isSubset(of: flags.split(separator: " ").map(String.init)), "\(flags)")
        extendLifetime(segment)
    }
}
