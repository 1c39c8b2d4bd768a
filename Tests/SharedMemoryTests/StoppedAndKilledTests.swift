import Foundation
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// Processes that are stopped exactly at a step of the protocol, and then continued or killed.
@Suite("Stopped and killed", .fewAtATime)
struct StoppedAndKilledTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    func text(_ round: Int) -> String {
        String(decoding: ChecksummedText.make(byteCount: 1 + round * 37 % 9000, seed: UInt64(round)), as: UTF8.self)
    }

    // MARK: Setting

    static let setting: [PausePoint] = [
        .setChosen, .setClaimed, .setChecked, .setReserved, .setStamped, .setFilled, .setNumbered, .setPublished,
    ]

    @Test(
        "A writer that is stopped at any step delays no other process, and leaves nothing behind if it is killed there",
        arguments: setting)
    func writerKilled(_ step: PausePoint) async throws {
        let segment = try attach()
        try segment.set("before")
        let child = try await probe(stoppedAt: step, .set("from the dead"))
        let readOnly = try attach(.readOnly)
        for reader in [segment, readOnly] {
            #expect(try reader.get() == (step == .setPublished ? "from the dead" : "before"))
        }
        for round in 0..<400 {
            try segment.set(text(round))
            #expect(try segment.get() == text(round))
            #expect(try readOnly.get() == text(round))
        }
        #expect(try attach().get() == text(399))
        child.kill()
        _ = try await child.finish()
        // The first free row is the dead process's: the process that takes it cleans up.
        let next = try attachApart()
        try expectNothingLeft()
        try next.set("after")
        #expect(try segment.get() == "after")
        #expect(try segment.version.number == (step == .setPublished ? 403 : 402))
    }

    @Test("A writer that continues after other sets makes its text the last one", arguments: setting)
    func writerGoesOn(_ step: PausePoint) async throws {
        let segment = try attach()
        try segment.set("before")
        let child = try await probe(stoppedAt: step, .set("late"))
        for round in 0..<400 { try segment.set(text(round)) }
        child.send(SIGCONT)
        #expect(try await child.finish().status == 0)
        #expect(try segment.get() == (step == .setPublished ? text(399) : "late"))
        #expect(try segment.version.number == 402)
        try expectNothingLeft()
    }

    @Test("A slot that becomes current after a writer chose it is not filled")
    func chosenSlotBecomesCurrent() async throws {
        let segment = try attach()
        // The empty segment's current slot is 0: the writer has chosen slot 1, and so does the next set.
        let child = try await probe(stoppedAt: .setChosen, then: .setFilled, .set("late"))
        try segment.set("current")
        child.send(SIGCONT)
        try await child.stopped()
        #expect(try segment.get() == "current")
        #expect(try attach(.readOnly).get() == "current")
        child.send(SIGCONT)
        #expect(try await child.finish().status == 0)
        #expect(try segment.get() == "late")
    }

    // MARK: Borrowing

    @Test(
        "A reader that is stopped between load and pin while more sets run than there are slots reads a whole text",
        arguments: [PausePoint.borrowLoaded, .borrowPinned, .borrowChecked])
    func readerGoesOn(_ step: PausePoint) async throws {
        let segment = try attach()
        let first = try segment.set(text(7777))
        let child = try await probe(stoppedAt: step, .readOnce(.readWrite))
        var last = first
        for round in 0..<1000 { last = try segment.set(text(round)) }
        child.send(SIGCONT)
        let result = try await child.finish()
        // Pinned and checked, it reads what it came for; before that, what is current when it looks again.
        #expect(result.text == "\(step == .borrowChecked ? first : last) true\n")
        try expectNothingLeft()
    }

    @Test(
        "A reader that is killed with a pin costs a slot until a sweep",
        arguments: [PausePoint.borrowPinned, .borrowChecked])
    func readerKilled(_ step: PausePoint) async throws {
        let segment = try attach()
        try segment.set("before")
        let child = try await probe(stoppedAt: step, .get)
        #expect(try Segment.info(name, directory: directory.path).pinCount == 1)
        child.kill()
        _ = try await child.finish()
        for round in 0..<400 { try segment.set(text(round)) }
        extendLifetime(try attachApart())
        try expectNothingLeft()
    }

    @Test(
        "A reader without a pin that is overtaken at any step reads a whole, newer text",
        arguments: [PausePoint.copyLoaded, .copyStamped, .copyRead], [100, 50_000])
    func copierGoesOn(_ step: PausePoint, _ byteCount: Int) async throws {
        let segment = try attach()
        try segment.set(utf8: ChecksummedText.make(byteCount: byteCount, seed: 1).span)
        let child = try await probe(stoppedAt: step, .readOnce(.readOnly))
        var last = try segment.version
        for round in 0..<1000 {
            last = try segment.set(utf8: ChecksummedText.make(byteCount: byteCount, seed: UInt64(round)).span)
        }
        child.send(SIGCONT)
        #expect(try await child.finish().text == "\(last) true\n")
    }

    @Test("A reader without a pin that is stopped before the first set reads the empty text or a whole one")
    func copierAtNumberZero() async throws {
        let segment = try attach()
        let readOnly = try attach(.readOnly)
        for round in 0..<1000 {
            let before = try readOnly.snapshot()
            #expect(before.version.number == UInt64(round))
            let isWhole = ChecksummedText.isWhole(before.text.utf8Span.span.bytes)
            #expect(isWhole)
            try segment.set(text(round))
        }
    }

    @Test(
        "A process that is killed while it takes a row, or while it makes a table grow, leaves nothing behind",
        arguments: [PausePoint.rowTaken, .tableReserved, .tableGrown])
    func killedInTables(_ step: PausePoint) async throws {
        let segment = try attach()
        try segment.set("before")
        let child = try await probe(stoppedAt: step, .get)
        for round in 0..<100 {
            try segment.set(text(round))
            #expect(try segment.withBytes { $0.byteCount } == text(round).utf8.count)
        }
        child.kill()
        _ = try await child.finish()
        let next = try attachApart()
        try expectNothingLeft()
        #expect(try next.withBytes { $0.byteCount } == text(99).utf8.count)
        #expect(try Segment.info(name, directory: directory.path).attached.map(\.row) == [0, 1])
    }

    // MARK: Attaching, detaching, unlinking

    @Test(
        "A process that is killed at any step of attaching leaves nothing that the next one would see",
        arguments: [PausePoint.attachOpened, .attachBuilt, .attachNamed, .attachSharedLifetime, .attachMapped])
    func attacherKilled(_ step: PausePoint) async throws {
        let isFirst = [.attachBuilt, .attachNamed].contains(step)
        let segment = isFirst ? nil : try attach()
        let version = try segment?.set("before")
        let child = try await probe(stoppedAt: step, .hold(), closingInput: false)
        // While it is stopped, other processes can attach, set and read.
        for round in 0..<300 {
            let other = try attach()
            try other.set(text(round))
            #expect(try (segment ?? other).get() == text(round))
        }
        child.kill()
        _ = try await child.finish()
        let next = try attach()
        try expectNothingLeft()
        #expect(try next.version.instance == version?.instance || isFirst)
        #expect(try next.get() == (isFirst ? "" : text(299)))
        #expect(try directory.names == ["text.sharedmem"])
    }

    @Test(
        "A process that is refused because another one removes a leftover, and is then killed, does not find the old text"
    )
    func refusedByRemover() async throws {
        let old = try ChildProcess.probe(.hold(), directory, name)
        _ = try await old.line(beginning: "attached ")
        try attach().set("old")
        old.kill()
        _ = try await old.finish()
        let remover = try await probe(stoppedAt: .attachFoundLeftover, .hold(), closingInput: false)
        let refused = try await probe(stoppedAt: .attachNotLeftover, .get)
        remover.kill()
        _ = try await remover.finish()
        refused.send(SIGCONT)
        let result = try await refused.finish()
        #expect(result.status == 0 && result.text == "", "\(result.text)\(result.errors)")
    }

    @Test(
        "While a process is stopped in removing a leftover, others are told to try again; if it is killed there, they go on"
    )
    func attacherKilledAtLeftover() async throws {
        let old = try ChildProcess.probe(.hold(), directory, name)
        _ = try await old.line(beginning: "attached ")
        old.kill()
        _ = try await old.finish()
        for step in [PausePoint.attachFoundLeftover, .unlinkLocked, .unlinkChecked] {
            let child = try await probe(stoppedAt: step, .hold(), closingInput: false)
            #expect(throws: SegmentError.busy(doing: "attaching to 'text'")) { try attach() }
            #expect(throws: SegmentError.leftover(name: name, directory: directory.path)) {
                try Segment.read(name, directory: directory.path)
            }
            child.kill()
            _ = try await child.finish()
        }
        #expect(try attach().get() == "")
    }

    @Test(
        "A process that is killed at any step of the last detach leaves a file that the next attach replaces",
        arguments: [
            PausePoint.detachFreedRow, .detachDroppedLifetime, .detachFoundNobody, .unlinkLocked, .unlinkChecked,
            .unlinkDone,
        ])
    func lastDetacherKilled(_ step: PausePoint) async throws {
        let child = try await probe(stoppedAt: step, .set("gone"))
        child.kill()
        _ = try await child.finish()
        #expect(try directory.names == (step == .unlinkDone ? [] : ["text.sharedmem"]))
        #expect(throws: SegmentError.self) { try Segment.read(name, directory: directory.path) }
        do {
            let segment = try attach()
            #expect(try segment.snapshot().version.number == 0)
            try segment.set("again")
        }
        #expect(try directory.names == [])
    }

    @Test(
        "A process that is stopped at any step of detaching takes nothing from one that attaches meanwhile",
        arguments: [PausePoint.detachFreedRow, .detachDroppedLifetime])
    func detacherOvertaken(_ step: PausePoint) async throws {
        let child = try await probe(stoppedAt: step, .set("first"))
        let segment = try attach()
        // As the last one's lock is still there, or just not yet asked for, it may be the old one.
        try segment.set("mine")
        child.send(SIGCONT)
        #expect(try await child.finish().status == 0)
        #expect(try segment.get() == "mine")
        #expect(try !segment.isUnlinked)
        #expect(try attach().get() == "mine")
    }

    @Test(
        "Unlinking can be repeated after it was killed at any step",
        arguments: [PausePoint.unlinkLocked, .unlinkChecked, .unlinkDone])
    func unlinkerKilled(_ step: PausePoint) async throws {
        let segment = try attach()
        try segment.set("kept")
        let child = try await probe(stoppedAt: step, .unlink)
        #expect(try segment.get() == "kept")
        child.kill()
        _ = try await child.finish()
        if step == .unlinkDone {
            #expect(try segment.isUnlinked)
        } else {
            #expect(try attach().get() == "kept")
            try Segment.unlink(name, directory: directory.path)
        }
        #expect(try attach().get() == "")
        // A writer that looks at the name, as it does from time to time, refuses to set.
        let isSet = (try? segment.set("among those attached")) != nil
        #expect(try segment.get() == (isSet ? "among those attached" : "kept"))
    }

    @Test(
        "A writer that is killed while it gives back memory on a full tmpfs leaves the text intact, and other sets go on",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() },
        arguments: [PausePoint.punchUnstamped, .punchMarked, .punchDone])
    func puncherKilled(_ step: PausePoint) async throws {
        let script = """
            mount -t tmpfs -o size=1m none "$2" || exit 1
            "$1" "$2" text hold persistent </dev/null
            SHAREDMEM_PAUSE_AT=$3 "$1" "$2" text fill "$2/junk" &
            until grep -q '^State:.T' /proc/$!/status; do sleep 0.01; done
            "$1" "$2" text get | wc -c
            kill -9 $!
            wait $!
            "$1" "$2" text get | wc -c
            "$1" "$2" text set short && "$1" "$2" text get
            """
        let child = try MountNamespace.start(script, [ProbeCommand.executable, directory.path, step.rawValue])
        let result = try await child.finish()
        #expect(result.text.contains("\n300000\n300000\n"), "\(result.text) \(result.errors)")
        #expect(result.text.hasSuffix("\nshort"), "\(result.text) \(result.errors)")
    }
}
