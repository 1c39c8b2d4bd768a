import Foundation
import LinuxSystem
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// More readers than pins, more writers than slots, and writers that are stopped.
@Suite("All pins held, more writers than slots", .fewAtATime)
struct PinsAndWritersTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    /// True in `make endurance`, the long form of these tests.
    static let isLong = ProcessInfo.processInfo.environment["SHAREDMEM_LONG"] != nil

    func text(_ seed: Int, _ byteCount: Int = 3000) -> [UInt8] {
        ChecksummedText.make(byteCount: byteCount, seed: UInt64(seed))
    }

    @Test(
        "While all 64 pins are held for long, other processes attach, set and read whole texts, and the held texts do not change"
    )
    func pinsHeldForLong() async throws {
        let segment = try attach()
        let readOnly = try attach(.readOnly)
        try segment.set(utf8: text(0).span)
        let holders = try (0..<2).map { _ in try probe(.keepPins(count: 32)) }
        for holder in holders { _ = try await holder.line(beginning: "kept") }
        let end = ContinuousClock.now + .seconds(Self.isLong ? 60 : 2)
        var round = 0
        while ContinuousClock.now < end {
            round += 1
            let bytes = text(round, 1 + round * 7919 % 60_000)
            try segment.set(utf8: bytes.span)
            for reader in [segment, readOnly] {
                #expect(try reader.withBytes { $0.withUnsafeBytes { Array($0) == bytes } })
            }
            if round % 20 == 0 { #expect(try attach().withBytes { $0.byteCount } == bytes.count) }
        }
        if Self.isLong { print("\(round) rounds of a set and two reads with all pins held") }
        let info = try Segment.info(name, directory: directory.path)
        #expect(info.pinCount == 64, "a sweep takes nothing from the living")
        #expect(info.attached.count == 3, "nor from the one that sweeps")
        for holder in holders {
            try holder.write(Data("\n".utf8))
            #expect(try await holder.line(beginning: "unchanged ") == "true")
            #expect(try await holder.finish().status == 0)
        }
        #expect(try Segment.info(name, directory: directory.path).pinCount == 0)
    }

    @Test("A sweep frees the rows of dead processes")
    func sweptRowsAreFree() async throws {
        let segment = try attach()
        try segment.set("x")
        let holder = try probe(.keepPins(count: 64))
        _ = try await holder.line(beginning: "kept")
        holder.kill()
        _ = try await holder.finish()
        _ = try await eventually("a pin") {
            try segment.withBytes { _ in try Segment.info(name, directory: directory.path).pinCount } == 1 ? true : nil
        }
        #expect(try Segment.info(name, directory: directory.path).attached.count == 1)
    }

    @Test("With 125 processes and 300 threads that set at once, each set counts and no text is torn")
    func moreWritersThanSlots() async throws {
        let segment = try attach()
        let rounds = Self.isLong ? 200 : 10
        // 25 attachments in each of five processes, 12 threads to each.
        let writers = try (0..<5).map {
            try probe(.writeThreads(attachmentCount: 25, threadCount: 12, setCount: rounds, seed: $0))
        }
        for writer in writers { _ = try await writer.line(beginning: "attached") }
        let readOnly = try attach(.readOnly)
        for writer in writers { try writer.write(Data("\n".utf8)) }
        var reads = 0
        while try segment.version.number < UInt64(5 * 25 * 12 * rounds) {
            for reader in [segment, readOnly] {
                let isWhole = try reader.withBytes { ChecksummedText.isWhole($0) }
                #expect(isWhole)
                reads += 1
            }
            try #require(reads < 100_000_000)
            if writers.allSatisfy({ $0.outputSoFar.contains("done") }) { break }
        }
        for writer in writers {
            let result = try await writer.finish(within: 120)
            #expect(result.status == 0 && result.text.hasSuffix("done\n"), "\(result.text)\(result.errors)")
        }
        #expect(try segment.version.number == UInt64(5 * 25 * 12 * rounds))
        try expectNothingLeft()
    }

    @Test(
        "While a writer is stopped at any step of a set, others set and read 10,000 times",
        arguments: StoppedAndKilledTests.setting)
    func stoppedForLong(_ step: PausePoint) async throws {
        let segment = try attach()
        try segment.set("before")
        let rounds = Self.isLong ? 10_000 : 1000
        func nanosecondsPerSet() throws -> Int {
            let bytes = text(7, 100)
            let begin = ContinuousClock.now
            for _ in 0..<rounds { try segment.set(utf8: bytes.span) }
            return Int((ContinuousClock.now - begin) / .nanoseconds(1)) / rounds
        }
        let alone = try nanosecondsPerSet()
        let child = try await probe(stoppedAt: step, .set("late"))
        let beside = try nanosecondsPerSet()
        if Self.isLong { print("\(step): \(alone) ns a set alone, \(beside) ns beside one that is stopped") }
        let isWhole = try segment.withBytes { ChecksummedText.isWhole($0) }
        #expect(isWhole)
        let published: UInt64 = step == .setPublished ? 1 : 0
        #expect(try segment.version.number == UInt64(2 * rounds + 1) + published)
        child.send(SIGCONT)
        #expect(try await child.finish().status == 0)
        #expect(try segment.version.number == UInt64(2 * rounds + 2))
    }

    @Test("A thousand processes that attach and detach disturb neither readers nor a writer")
    func comingAndGoing() async throws {
        let segment = try attach()
        try segment.set(utf8: text(1).span)
        let readers = try [ProbeCommand.Access.readWrite, .readOnly].map { try probe(.read($0)) }
        for reader in readers { _ = try await reader.line(beginning: "attached") }
        let begin = ContinuousClock.now
        let count = Self.isLong ? 20_000 : 1000
        for round in 0..<count {
            let other = try attach(round % 4 == 0 ? .readOnly : .readWrite)
            let isWhole = try other.withBytes { ChecksummedText.isWhole($0) }
            #expect(isWhole)
            if round % 4 == 1 { try other.set(utf8: text(round, 500).span) }
        }
        print("\(Int(Double(count) / ((ContinuousClock.now - begin) / .seconds(1)))) attach and detach a second")
        for reader in readers {
            let result = try await reader.finish()
            #expect(result.status == 0 && !result.text.contains("TORN"), "\(result.text)\(result.errors)")
        }
        #expect(try Segment.info(name, directory: directory.path).attached.count == 1)
        try expectNothingLeft()
    }

    private static let reading: [PausePoint] = [.borrowLoaded, .borrowPinned, .borrowChecked]
    private static let joiningAndLeaving: [PausePoint] = [
        .attachOpened, .attachNotLeftover, .attachSharedLifetime, .attachMapped, .detachFreedRow,
        .detachDroppedLifetime,
    ]

    @Test(
        "A process that is killed at any step leaves nothing, even if a process in another PID namespace has its id",
        .enabled("makes PID namespaces") { await PIDNamespace.isPermitted() },
        arguments: StoppedAndKilledTests.setting + reading + joiningAndLeaving)
    func killedBesideEqualProcessID(_ step: PausePoint) async throws {
        let segment = try attach()
        try segment.set("before")
        // Number 2 in a namespace of its own, with pins; so is the one that is killed. (Number 1 cannot be stopped.)
        let living = try PIDNamespace.startSecond(
            ProbeCommand.executable, ProbeCommand.keepPins(count: 3).arguments(directory.path, name))
        _ = try await living.line(beginning: "kept")
        let isReader = Self.reading.contains(step)
        let dying = try PIDNamespace.startSecond(
            "/usr/bin/env",
            ["SHAREDMEM_PAUSE_AT=\(step.rawValue)", ProbeCommand.executable]
                + (isReader ? ProbeCommand.get : .set("late")).arguments(directory.path, name))
        _ = try await eventually("a stop at \(step)") { try stoppedProbes() == 1 ? true : nil }
        let hasRow = step != .borrowLoaded && !Self.joiningAndLeaving.contains(step)
        let twins = try Segment.info(name, directory: directory.path).attached.count { $0.processID == 2 }
        #expect(twins == (hasRow ? 2 : 1))
        // All that is left of pins is taken.
        let holder = try probe(.keepPins(count: isReader ? 60 : 61))
        _ = try await holder.line(beginning: "kept")
        dying.kill()
        _ = try await dying.finish()
        _ = try await eventually("the row of the dead") {
            try Segment.info(name, directory: directory.path).attached.count == 3 ? true : nil
        }
        _ = try await eventually("the sweep") {
            try segment.sweep()
            return try withView { view in
                let owners = Set((0..<view.mark(of: .pins)).map { view.pins[$0].word.load(ordering: .relaxed) >> 32 })
                let claims = (0..<view.mark(of: .slots)).count { view.slots[$0].claim.load(ordering: .relaxed) != 0 }
                return owners.count <= 3 && claims == 0 ? true : nil
            }
        }
        for round in 0..<400 { try segment.set("round \(round)") }
        #expect(try segment.get() == "round 399")
        try living.write(Data("\n".utf8))
        #expect(try await living.line(beginning: "unchanged ") == "true")
        #expect(try await living.finish().status == 0)
        holder.kill()
    }

    /// The number of processes working on this segment that have stopped, in any namespace.
    private func stoppedProbes() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").count { process in
            guard Int(process) != nil,
                let arguments = try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8),
                arguments.contains(directory.path),
                let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
            else { return false }
            return status.split(separator: ")").last?.hasPrefix(" T") == true
        }
    }
}
