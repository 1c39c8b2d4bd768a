import Synchronization

/// What a connection is doing and until when, in one word, which its own thread and the watchdog change.
///
/// Once its last response was sent, or it has ended, a connection never goes back to a request: whatever arrives later has
/// no effect.
struct ConnectionState: ~Copyable, Sendable {
    enum Phase: Int, CaseIterable {
        case awaitsHead, awaitsBody, responds, isHeld
        /// The last response has been sent; whatever the client is still sending is read and ignored for a while.
        case discards
        case hasEnded

        /// Whether the connection can still get to another phase by itself.
        var isOpen: Bool { rawValue < Phase.discards.rawValue }
    }

    /// A state that was seen: a phase, and its deadline in coarse milliseconds.
    struct Seen: Equatable {
        fileprivate let word: Int

        fileprivate init(word: Int) { self.word = word }

        fileprivate init(_ phase: Phase, _ deadline: Int) { word = deadline << 3 | phase.rawValue }

        var phase: Phase { Phase(rawValue: word & 7) ?? .hasEnded }
        var deadline: Int { word >> 3 }
    }

    /// The deadline of a phase whose end others see to.
    static var never: Int { Int.max >> 4 }

    private let word: Atomic<Int>

    init(_ phase: Phase, until deadline: Int) { word = Atomic(Seen(phase, deadline).word) }

    var seen: Seen { Seen(word: word.load(ordering: .relaxed)) }

    /// Enters a phase; false if the last response was sent or the connection has ended.
    func enter(_ phase: Phase, until deadline: Int = never) -> Bool {
        var seen = seen
        while seen.phase.isOpen {
            let (isDone, latest) = word.compareExchange(
                expected: seen.word, desired: Seen(phase, deadline).word, ordering: .relaxed)
            if isDone { return true }
            seen = Seen(word: latest)
        }
        return false
    }

    /// Puts the deadline off.
    func extend(by milliseconds: Int) { word.add(milliseconds << 3, ordering: .relaxed) }

    /// Enters a phase if nothing has changed since `seen`; false if something has.
    func enter(_ phase: Phase, until deadline: Int = never, from seen: Seen) -> Bool {
        word.compareExchange(expected: seen.word, desired: Seen(phase, deadline).word, ordering: .relaxed).exchanged
    }
}
