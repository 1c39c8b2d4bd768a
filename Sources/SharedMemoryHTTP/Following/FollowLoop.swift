import LinuxSystem
import SharedMemory

/// Keeps a replica at its source: one server after another, until it is stopped.
struct FollowLoop: Sendable {
    private let replica: Replica
    private let source: any ReplicaSource
    private let log: ServerLog

    static let checkIntervalMilliseconds = 2000
    static let tickMilliseconds = Segment.waitingServerMilliseconds
    /// For connecting, and then for each piece of the text.
    static let timeoutMilliseconds = 5000
    private static let pauseMilliseconds = 50...1000

    init(_ replica: Replica, _ source: any ReplicaSource, _ log: ServerLog) {
        (self.replica, self.source, self.log) = (replica, source, log)
    }

    /// Runs until `end` is signalled; ``Replica/wakeUp`` must be signalled too.
    func run(until end: borrowing EventDescriptor) {
        var pause = Self.pauseMilliseconds.lowerBound
        while !end.isSignalled() {
            let begun = Clock.coarseMilliseconds
            do throws(FollowEnd) {
                try source.follow(replica, log, until: end)
            } catch {
                if !error.isTriedAgain, !end.isSignalled() { lose(error.reason) }
            }
            let wasLong = Clock.coarseMilliseconds - begun > Self.pauseMilliseconds.upperBound
            pause = wasLong ? Self.pauseMilliseconds.lowerBound : min(Self.pauseMilliseconds.upperBound, pause * 2)
            rest(milliseconds: Int.random(in: pause / 2...pause), until: end)
        }
    }

    /// Turns to the next server.
    private func lose(_ reason: String) {
        let url = source.current
        source.advance()
        if replica.disconnected(from: url, because: reason) { log.cannotFollow(replica.name, url, reason) }
    }

    /// Waits, and goes on doing what is due.
    private func rest(milliseconds: Int, until end: borrowing EventDescriptor) {
        let deadline = Clock.coarseMilliseconds + milliseconds
        while true {
            replica.tick()
            let left = deadline - Clock.coarseMilliseconds
            if left <= 0 || end.isSignalled(within: min(Self.tickMilliseconds, left)) { return }
        }
    }
}
