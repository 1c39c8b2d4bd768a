import Synchronization

/// The memory that the text being received and sent may take, over all connections.
package final class ByteBudget: Sendable {
    private let limit = Atomic<Int>(.max)
    private let used = Atomic<Int>(0)

    package init() {}

    package func limit(to byteCount: Int) { limit.store(byteCount, ordering: .relaxed) }

    /// - Parameter share: the part of the limit up to which this may go, as a divisor: 2 leaves half of it to others.
    /// - Returns: false if there is not enough left; then nothing is taken.
    package func take(_ count: Int, upToOneIn share: Int = 1) -> Bool {
        if used.add(count, ordering: .relaxed).newValue <= limit.load(ordering: .relaxed) / share { return true }
        giveBack(count)
        return false
    }

    package func giveBack(_ count: Int) { used.subtract(count, ordering: .relaxed) }
}
