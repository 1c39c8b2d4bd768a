import SharedMemory
import SharedMemoryKeep
import Synchronization
import TestSupport
import TestTraits
import Testing

/// After each step of keeping, the power fails in each way that POSIX allows.
@Suite("A loss of power", .fewAtATime)
struct PowerLossTests {
    /// What was found in all states together.
    struct Findings: Sendable {
        var stateCount = 0
        var torn = 0
        var lost = 0
        /// Files with the name of a version that were found damaged, and set aside.
        var damaged = 0
        /// One of the directories to go on from.
        var remains: [String: [UInt8]] = [:]
    }

    /// Keeps versions one after another, and looks at all that may be left after each step.
    final class Rehearsal: Sendable {
        private let faults: Set<PowerLossStorage.Fault>
        private let limit: Int
        private let state: Mutex<(texts: [Version: [UInt8]], acknowledged: Version?, findings: Findings)>
        private let random = Mutex(SplitMix(state: 7))

        init(faults: Set<PowerLossStorage.Fault>, limit: Int) {
            (self.faults, self.limit) = (faults, limit)
            state = Mutex(([:], nil, Findings()))
        }

        /// Whether a keeper that should do everything right has been found wrong.
        private var hasFailed: Bool {
            let findings = findings
            return faults.isEmpty && findings.torn + findings.lost + findings.damaged > 0
        }

        var findings: Findings { state.withLock { $0.findings } }

        /// - Returns: one of the directories that may be left at the end, or on the way.
        func keep(_ numbers: ClosedRange<UInt64>, from files: [String: [UInt8]]) throws -> [String: [UInt8]] {
            let storage = PowerLossStorage(files, faults: faults) { self.look($0) }
            var archive = try Archive("text", storage, limit: limit) { _ in }
            // A faulty keeper leaves more and more states.
            for number in numbers where !hasFailed {
                let version = Version(instance: 5, number: number)
                let text = ChecksummedText.make(byteCount: Int(number * number % 40), seed: number)
                state.withLock { $0.texts[version] = text }
                let time = Timestamp(nanosecondsSince1970: number)
                let draft = try archive.write(text.span, version, time, capacity: 100)
                try archive.publish(draft)
                try storage.synchronize()
                // From here on, a client may have been told.
                state.withLock { $0.acknowledged = version }
                archive.commit()
            }
            return state.withLock { $0.findings.remains }
        }

        private func look(_ now: PowerLossStorage.State) {
            if hasFailed { return }
            let remains = now.remains
            for files in remains { check(files) }
            let index = random.withLock { $0.next() % UInt64(remains.count) }
            state.withLock { $0.findings.remains = remains[Int(index)] }
        }

        private func check(_ files: [String: [UInt8]]) {
            let storage = PowerLossStorage(files, faults: faults.intersection([.noChecksum]))
            var damaged = 0
            let archive = try? Archive("text", storage, limit: limit) { _ in damaged += 1 }
            let versions = archive?.versions ?? []
            let texts = versions.map { kept in
                (try? Archive.withText(of: kept, in: storage) { text in text.indices.map { text[$0] } }?.get()) ?? nil
            }
            state.withLock { state in
                state.findings.stateCount += 1
                state.findings.damaged += damaged
                for (kept, text) in zip(versions, texts) where text != state.texts[kept.version] {
                    state.findings.torn += 1
                }
                guard let acknowledged = state.acknowledged else { return }
                if (versions.last?.version.number ?? 0) < acknowledged.number { state.findings.lost += 1 }
            }
        }
    }

    @Test("Whatever is left, the last acknowledged version is there, whole", arguments: [1, 2, 5])
    func nothingLost(_ limit: Int) throws {
        let rehearsal = Rehearsal(faults: [], limit: limit)
        var files: [String: [UInt8]] = [:]
        var next: UInt64 = 1
        // After each loss of power, the next server goes on from what is left.
        for _ in 0..<30 {
            files = try rehearsal.keep(next...next + 4, from: files)
            next += 5
        }
        let findings = rehearsal.findings
        #expect(findings.torn == 0 && findings.lost == 0 && findings.damaged == 0, "\(findings)")
        #expect(findings.stateCount > 10_000, "\(findings.stateCount)")
    }

    private func findings(_ faults: Set<PowerLossStorage.Fault>) throws -> Findings {
        let rehearsal = Rehearsal(faults: faults, limit: 1)
        // Without a synchronized directory, the number of states grows with each version.
        _ = try rehearsal.keep(1...(faults.contains(.noSyncOfDirectory) ? 2 : 6), from: [:])
        return rehearsal.findings
    }

    @Test("A keeper that does not synchronize the file is found: an acknowledged version is lost, and none is torn")
    func noSyncOfFile() throws {
        let findings = try findings([.noSyncOfFile])
        #expect(findings.lost > 0 && findings.torn == 0, "\(findings)")
    }

    @Test("A keeper that does not synchronize the directory is found: an acknowledged version is lost")
    func noSyncOfDirectory() throws {
        let findings = try findings([.noSyncOfDirectory])
        #expect(findings.lost > 0 && findings.torn == 0, "\(findings)")
    }

    @Test("A keeper that renames the file before it synchronizes it is found: the name leads to a damaged file")
    func renameBeforeSync() throws {
        // The version before is still there, and the checksum tells which is which.
        let findings = try findings([.renameBeforeSync])
        #expect(findings.damaged > 0 && findings.lost == 0 && findings.torn == 0, "\(findings)")
    }

    @Test("A keeper that does not check the checksum is found on a disk that loses what it has confirmed")
    func noChecksum() throws {
        for faults: Set<PowerLossStorage.Fault> in [[.noChecksum, .noSyncOfFile], [.noChecksum, .renameBeforeSync]] {
            let findings = try findings(faults)
            #expect(findings.torn > 0, "\(findings)")
        }
    }
}
