import Foundation
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// With any content in a segment's header, no call raises a signal, hangs, or unlinks a file that it did not recognize.
///
/// It runs in the probe, where a crash can be seen. `make fuzz` is the long form: every byte, and 100,000 headers.
@Suite("Damaged files", .fewAtATime)
struct DamagedFileTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    static let rounds = ProcessInfo.processInfo.environment["SHAREDMEM_FUZZ_ROUNDS"].flatMap { Int($0) }
    static let seed =
        ProcessInfo.processInfo.environment["SHAREDMEM_FUZZ_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
    static let isLong = rounds != nil
    /// One byte of so many is changed behind the first three lines, as the other lines are alike.
    static let step = isLong ? 1 : 127

    /// The probe's output; if it ended badly, the place where it was.
    @discardableResult
    func expectEnd(of child: ChildProcess, _ sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
        let result = try await child.finish(within: Self.isLong ? 3600 : 120)
        let progress = try? String(contentsOfFile: "\(directory.path)/progress", encoding: .utf8)
        #expect(
            result.status == 0 && !result.wasKilled, "\(result.status) at \(progress ?? "the start"): \(result.errors)",
            sourceLocation: sourceLocation)
        #expect(result.text.contains("done "), sourceLocation: sourceLocation)
        if Self.isLong { print(result.text) }
        return result.text
    }

    @Test("Random headers, and headers that are damaged in one or several places, give errors or texts")
    func randomHeads() async throws {
        let rounds = Self.rounds ?? 500
        print("Seed of the random heads: \(Self.seed)")
        let said = try await expectEnd(of: probe(.damageHeaders(seed: Self.seed, rounds: rounds)))
        #expect(said.contains("done \(rounds),"))
        for error in ["notASegment", "corrupted"] { #expect(said.contains(error), "\(error) was never met") }
    }

    @Test("A current text without its stamp is reported as damage, not as a busy segment")
    func stampIsGone() throws {
        let segment = try attach()
        let readOnly = try attach(.readOnly)
        try segment.set("text")
        try withView { $0.slots[1].stamp.store(7, ordering: .relaxed) }
        let error = SegmentError.corrupted(path: path, reason: "the current text has another's stamp")
        #expect(throws: error) { try readOnly.get() }
        #expect(throws: error) { try Segment.read(name, directory: directory.path) }
        #expect(try segment.get() == "text", "a pin needs no stamp")
        try segment.set("again")
        #expect(try readOnly.get() == "again")
    }

    @Test("A byte count that is one above the capacity is an error, and the next slot's bytes are not read")
    func countAboveCapacity() throws {
        let segment = try attach()
        let readOnly = try attach(.readOnly)
        try segment.set("text")
        try withView { $0.slots[1].byteCount.store(UInt64($0.geometry.capacity) + 1, ordering: .relaxed) }
        for reader in [segment, readOnly] {
            let error = #expect(throws: SegmentError.self) { try reader.withBytes { _ in } }
            guard case .corrupted(path, _) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test("Changing any byte of the header of a file without attachments gives errors or texts")
    func damagedAlone() async throws {
        try await expectEnd(of: probe(.damageBytes(from: 0, to: 320, step: 1, .alone)))
        try await expectEnd(of: probe(.damageBytes(from: 320, to: 5504, step: Self.step, .alone)))
    }

    @Test(
        "Changing any byte of the header under attached processes that read, set, attach and detach gives errors or texts"
    )
    func damagedWhileAttached() async throws {
        for (from, to, step) in [(0, 320, 1), (320, 5504, Self.step)] {
            let child = try probe(.damageBytes(from: from, to: to, step: step, .attached))
            _ = try await child.line(beginning: "begun")
            let guest = try probe(.churn)
            _ = try await guest.line(beginning: "churning")
            try await expectEnd(of: child)
            try await expectEnd(of: guest)
        }
    }
}
