import SharedMemory
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemoryKeep

/// After each step of removing what is kept of a segment, the power fails in each way that POSIX allows.
@Suite("Removing kept text", .fewAtATime)
struct RemovalTests {
    /// Keeps five versions, removes them, and returns the numbers of those that each loss of power may leave.
    private func remains(
        _ remove: (Archive, PowerLossStorage) throws -> Void
    ) throws -> (onTheWay: Set<[UInt64]>, atTheEnd: Set<[UInt64]>) {
        let states = SharedStates()
        let storage = PowerLossStorage { states.add($0) }
        var archive = try Archive("text", storage, limit: 5) { _ in }
        for number: UInt64 in 1...5 {
            let draft = try archive.write(
                [UInt8(number)].span, Version(instance: 5, number: number), Timestamp(nanosecondsSince1970: number),
                capacity: 100)
            try archive.publish(draft)
            try storage.synchronize()
            archive.commit()
        }
        states.clear()
        try remove(archive, storage)
        func numbers(_ state: PowerLossStorage.State) throws -> [[UInt64]] {
            try state.remains.map { files in
                try Archive.survey("text", PowerLossStorage(files)) { _, _ in }.map(\.version.number)
            }
        }
        return try (Set(states.all.flatMap(numbers)), Set(states.all.suffix(1).flatMap(numbers)))
    }

    @Test("Whenever a removal is cut short, the newest version is the newest one that is left, or nothing is left")
    func newestLast() throws {
        let (onTheWay, atTheEnd) = try remains { archive, storage in
            #expect(try archive.removeOlder(except: nil))
            try storage.synchronize()
            try archive.removeNewest(except: nil)
            try storage.synchronize()
        }
        #expect(onTheWay.allSatisfy { $0.isEmpty || $0.last == 5 } && onTheWay.count > 5, "\(onTheWay)")
        #expect(atTheEnd == [[]])
    }

    @Test("A removal that does not synchronize before the newest version goes is found: an older one may be left")
    func atOnce() throws {
        let (onTheWay, _) = try remains { archive, storage in
            _ = try archive.removeOlder(except: nil)
            try archive.removeNewest(except: nil)
            try storage.synchronize()
        }
        #expect(onTheWay.contains { !$0.isEmpty && $0.last != 5 })
    }

    @Test("A segment that is current stays when others of its name are removed")
    func current() throws {
        let (_, atTheEnd) = try remains { archive, storage in
            #expect(try !archive.removeOlder(except: 5))
            try archive.removeNewest(except: 5)
            try storage.synchronize()
        }
        #expect(atTheEnd == [[1, 2, 3, 4, 5]])
    }
}

private final class SharedStates: Sendable {
    private let states = Mutex<[PowerLossStorage.State]>([])
    var all: [PowerLossStorage.State] { states.withLock { $0 } }
    func add(_ state: PowerLossStorage.State) { states.withLock { $0.append(state) } }
    func clear() { states.withLock { $0 = [] } }
}
