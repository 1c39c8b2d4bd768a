import SharedMemory
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemoryKeep

/// After each step of removing what is kept of a segment, the power fails in each way that POSIX allows.
@Suite("Removing kept text", .fewAtATime)
struct RemovalTests {
    /// Sets five versions, removes those that are kept, and returns the numbers of those that each loss of power may leave.
    private func remains(
        keeping limit: Int = 5, _ remove: (Archive, PowerLossStorage) throws -> Void
    ) throws -> (onTheWay: Set<[UInt64]>, atTheEnd: Set<[UInt64]>) {
        let states = SharedStates()
        let storage = PowerLossStorage { states.add($0) }
        var archive = try Archive("text", storage, limit: limit) { _ in }
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

    @Test(
        "Whenever a removal is cut short, the newest version is the newest one that is left, or nothing is left",
        arguments: [5, 1])
    func newestLast(_ limit: Int) throws {
        let (onTheWay, atTheEnd) = try remains(keeping: limit) { archive, storage in
            try archive.removeOlder(except: nil)
            try storage.synchronize()
            try archive.removeNewest(except: nil)
            try storage.synchronize()
        }
        #expect(onTheWay.allSatisfy { $0.isEmpty || $0.last == 5 } && onTheWay.count > limit, "\(onTheWay)")
        #expect(atTheEnd == [[]])
    }

    @Test("A removal that does not synchronize before the newest version goes is found: an older one may be left")
    func atOnce() throws {
        let (onTheWay, _) = try remains { archive, storage in
            try archive.removeOlder(except: nil)
            try archive.removeNewest(except: nil)
            try storage.synchronize()
        }
        #expect(onTheWay.contains { !$0.isEmpty && $0.last != 5 })
    }

    @Test("A version that could not be removed when it was replaced goes with the segment")
    func refused() throws {
        let storage = PowerLossStorage()
        var archive = try Archive("text", storage, limit: 1) { _ in }
        for number: UInt64 in 1...2 {
            let draft = try archive.write(
                [UInt8(number)].span, Version(instance: 5, number: number), Timestamp(nanosecondsSince1970: number),
                capacity: 100)
            try archive.publish(draft)
            try storage.synchronize()
            if number == 2 { storage.refuseToRemove(true) }
            archive.commit()
        }
        storage.refuseToRemove(false)
        #expect(archive.newest?.version.number == 2)
        try archive.removeOlder(except: nil)
        try archive.removeNewest(except: nil)
        #expect(try storage.names() == [])
    }

    @Test("A removal that does not synchronize first is found: a version that was replaced just before may be left")
    func replacedJustNow() throws {
        let (onTheWay, _) = try remains(keeping: 1) { archive, storage in
            try archive.removeNewest(except: nil)
            try storage.synchronize()
        }
        #expect(onTheWay.contains { !$0.isEmpty && $0.last != 5 })
    }

    @Test("A segment that is current stays when others of its name are removed")
    func current() throws {
        let (_, atTheEnd) = try remains { archive, storage in
            try archive.removeOlder(except: 5)
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
