import Foundation
import TestSupport
import Testing

@testable import SharedMemory

/// Whatever stands in a segment's head, no call ends in a signal, in a hang, or in unlinking what it did not recognise.
///
/// The probe does it, so that a crash is seen as one. `make fuzz` is the long form: every byte, and 100,000 heads.
@Suite("Damaged files")
struct DamagedFileTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    static let rounds = ProcessInfo.processInfo.environment["SHAREDMEM_FUZZ_ROUNDS"].flatMap { Int($0) }
    static let seed =
        ProcessInfo.processInfo.environment["SHAREDMEM_FUZZ_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
    static let isLong = rounds != nil
    /// Of the bytes behind the first three lines: lines are alike.
    static let step = isLong ? 1 : 127

    /// What it said; where it was, if it came to a bad end.
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

    @Test("Random heads, and heads broken in one place or in several, are errors or texts")
    func randomHeads() async throws {
        let rounds = Self.rounds ?? 500
        print("Seed of the random heads: \(Self.seed)")
        let said = try await expectEnd(of: probe(.damageHeaders(seed: Self.seed, rounds: rounds)))
        #expect(said.contains("done \(rounds),"))
        for error in ["notASegment", "corrupted"] { #expect(said.contains(error), "\(error) was never met") }
    }

    @Test("A current text without its stamp is damage, not others in the way")
    func stampIsGone() throws {
        let segment = try attach()
        let readOnly = try attach(.readOnly)
        try segment.set("text")
        try withView { $0.header.slots[1].stamp.store(7, ordering: .relaxed) }
        let error = SegmentError.corrupted(path: path, reason: "the current text has another's stamp")
        #expect(throws: error) { try readOnly.get() }
        #expect(throws: error) { try Segment.read(name, directory: directory.path) }
        #expect(try segment.get() == "text", "a pin needs no stamp")
        try segment.set("anew")
        #expect(try readOnly.get() == "anew")
    }

    @Test("A count one above the capacity is damage, and the next slot's bytes are not read")
    func countAboveCapacity() throws {
        let segment = try attach()
        let readOnly = try attach(.readOnly)
        try segment.set("text")
        try withView { $0.header.slots[1].byteCount.store(UInt64($0.capacity) + 1, ordering: .relaxed) }
        for reader in [segment, readOnly] {
            let error = #expect(throws: SegmentError.self) { try reader.withBytes { _ in } }
            guard case .corrupted(path, _) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test("Each byte of the head of a file to which nobody is attached changed")
    func damagedAlone() async throws {
        try await expectEnd(of: probe(.damageBytes(from: 0, to: 200, step: 1, .alone)))
        try await expectEnd(of: probe(.damageBytes(from: 200, to: 24576, step: Self.step, .alone)))
    }

    @Test("Each byte of the head changed under processes that are attached, and read, set, attach and detach")
    func damagedWhileAttached() async throws {
        for (from, to, step) in [(0, 200, 1), (200, 24_576, Self.step)] {
            let child = try probe(.damageBytes(from: from, to: to, step: step, .attached))
            _ = try await child.line(beginning: "begun")
            let guest = try probe(.churn)
            _ = try await guest.line(beginning: "churning")
            try await expectEnd(of: child)
            try await expectEnd(of: guest)
        }
    }
}
