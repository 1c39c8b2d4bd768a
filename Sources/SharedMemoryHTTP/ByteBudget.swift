import Synchronization

/// How much memory the texts may take that are being received or sent, over all connections.
final class ByteBudget: Sendable {
    private let limit = Atomic<Int>(.max)
    private let taken = Atomic<Int>(0)

    func limit(to byteCount: Int) { limit.store(byteCount, ordering: .relaxed) }

    /// - Returns: false, and nothing is taken, when there is not as much left.
    func take(_ count: Int) -> Bool {
        if taken.add(count, ordering: .relaxed).newValue <= limit.load(ordering: .relaxed) { return true }
        giveBack(count)
        return false
    }

    /// The same for what is not to keep others from theirs: as long as half of all is free.
    func takeOfHalf(_ count: Int) -> Bool {
        if taken.add(count, ordering: .relaxed).newValue <= limit.load(ordering: .relaxed) / 2 { return true }
        giveBack(count)
        return false
    }

    func giveBack(_ count: Int) { taken.subtract(count, ordering: .relaxed) }
}
