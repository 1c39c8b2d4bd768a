import TestTraits
import Testing

@testable import MicroHTTPD

/// What a connection is doing, which its own thread and the watchdog change.
@Suite("States of a connection", .fewAtATime)
struct ConnectionStateTests {
    typealias Phase = ConnectionState.Phase

    static let pairs = Phase.allCases.flatMap { from in Phase.allCases.map { (from, $0) } }

    @Test(
        "The connection's thread gets from any phase to any other, but from none after a refusal or the end",
        arguments: pairs)
    func ownThread(_ from: Phase, _ to: Phase) {
        let state = ConnectionState(from, until: 1000)
        let isOpen = from != .discards && from != .hasEnded
        let isEntered = state.enter(to, until: 2000)
        #expect(isEntered == isOpen)
        #expect(state.seen.phase == (isOpen ? to : from))
        #expect(state.seen.deadline == (isOpen ? 2000 : 1000))
    }

    @Test("The watchdog ends no connection that has got on since it looked", arguments: pairs)
    func watchdogIsLate(_ from: Phase, _ to: Phase) {
        guard from != .discards, from != .hasEnded else { return }
        let state = ConnectionState(from, until: 1000)
        let seen = state.seen
        let isEntered = state.enter(to, until: 2000)
        let hasEnded = state.enter(.hasEnded, until: 0, from: seen)
        #expect(isEntered && !hasEnded && state.seen.phase == to)
    }

    @Test("Once the watchdog has ended or refused a connection, its thread gets it nowhere", arguments: pairs)
    func watchdogIsFirst(_ from: Phase, _ to: Phase) {
        for end in [Phase.hasEnded, .discards] {
            let state = ConnectionState(from, until: 1000)
            let isFirst = state.enter(end, until: 0, from: state.seen)
            let isEntered = state.enter(to)
            state.extend(by: 60_000)
            #expect(isFirst && !isEntered && state.seen.phase == end)
        }
    }

    @Test("A piece of a body puts the deadline off, and leaves a phase without one alone")
    func extending() {
        let state = ConnectionState(.awaitsBody, until: 1000)
        let seen = state.seen
        state.extend(by: 500)
        #expect(state.seen.phase == .awaitsBody && state.seen.deadline == 1500)
        let hasEnded = state.enter(.hasEnded, until: 0, from: seen)
        #expect(!hasEnded, "it has got on")
        let isHeld = state.enter(.isHeld)
        #expect(isHeld)
        state.extend(by: 1 << 40)
        #expect(state.seen.phase == .isHeld && state.seen.deadline > 1 << 50)
    }
}
