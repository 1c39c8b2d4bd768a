import Etcd
import HTTPClient
import LinuxSystem
import SharedMemory
import Synchronization

/// etcd as the source.
///
/// The loop asks a member for the text, adopts what is newer than the version that it has, and then watches the text at the same
/// member, from the revision of the answer on. Whatever ends the watch makes it begin again, at the next member if that was
/// the member's fault. Models/replication.pml shows that the replica never goes back to an older version, unless etcd does.
///
/// A member that is stopped, or cut off from the others, keeps its connections and says nothing. So the loop asks every two
/// seconds, and whenever a request needs it, over a second connection whether the adopted version is still current.
final class EtcdSource: ReplicaSource {
    private let cluster: EtcdCluster
    let keys: EtcdKeys
    /// Of the current member.
    private let index = Atomic(0)
    private let history = Mutex(History())

    private struct History {
        /// The cluster that the adopted version came from; nil before the first one.
        var cluster: String?
        /// How often in a row etcd has shown another history.
        var doubts = 0
    }

    /// A watch outlives the token that it began with, and the permission of its user.
    private static let watchMilliseconds = 10 * 60 * 1000
    private static let creationMilliseconds = 1000
    static let tryMilliseconds = 1000

    init(_ cluster: EtcdCluster, prefix: String, name: String) {
        self.cluster = cluster
        keys = EtcdKeys(prefix: prefix, name: name)
    }

    var noun: String { "etcd" }

    var memberCount: Int { cluster.members.count }

    var current: ServerURL { member(0) }

    func advance() { index.add(1, ordering: .relaxed) }

    private func member(_ offset: Int) -> ServerURL {
        cluster.members[(index.load(ordering: .relaxed) + offset) % memberCount]
    }

    /// Connects to a member.
    ///
    /// - Parameter offset: how many members after the current one.
    func connect(_ limits: ClientLimits, offset: Int = 0) throws(EtcdFault) -> EtcdConnection {
        try cluster.connect(to: member(offset), limits)
    }

    func makeWriter(_ replica: Replica) -> any ReplicaWriter { EtcdWriter(replica, self) }

    // MARK: Following

    func follow(_ replica: Replica, _ log: ServerLog, until end: borrowing EventDescriptor) throws(FollowEnd) {
        let limits = ClientLimits(timeoutMilliseconds: Self.tryMilliseconds, interruption: end.descriptor)
        let moment = Clock.boottimeMilliseconds
        let (connection, state) = try FollowEnd.from { () throws(EtcdFault) in
            let connection = try connect(limits)
            return (connection, try connection.read(keys))
        }
        if !replica.isConnected { log.follows(replica.name, current) }
        replica.connected(via: "", .revision)
        try take(state, at: moment, replica)
        limits.renew(timeoutMilliseconds: Self.tryMilliseconds)
        let watch = try FollowEnd.from { () throws(EtcdFault) in try connection.watch(keys, from: state.revision + 1) }
        limits.interruption = replica.wakeUp.descriptor
        try read(watch, replica, until: end)
    }

    /// Adopts what a member shows, or finds that it is the adopted version, or that it is of another history.
    private func take(_ state: EtcdState, at moment: Int, _ replica: Replica) throws(FollowEnd) {
        let version = state.current.version
        let isSameCluster = history.withLock { $0.cluster == nil || $0.cluster == state.cluster }
        if isSameCluster, replica.hasAdopted(state.current) {
            history.withLock { $0.doubts = 0 }
            return replica.confirm(at: moment)
        }
        let isNewer = replica.known.map { isSameCluster && version.number > $0.number } ?? true
        if !isNewer { try believe() }
        history.withLock { ($0.cluster, $0.doubts) = (state.cluster, 0) }
        replica.adopt(version, state.current.text, at: moment, isOtherHistory: !isNewer)
    }

    /// Returns once all members have shown another history, twice; until then, another one is to be asked.
    ///
    /// One may belong to another cluster, or be late with an answer of before.
    private func believe() throws(FollowEnd) {
        let doubts = history.withLock { history in
            history.doubts += 1
            return history.doubts
        }
        if doubts > 2 * memberCount { return }
        advance()
        throw .again
    }

    private func read(
        _ watch: consuming EtcdWatch, _ replica: Replica, until end: borrowing EventDescriptor
    ) throws(FollowEnd) {
        var watch = watch
        var check = EtcdCheck(self, replica)
        let begun = Clock.coarseMilliseconds
        var nextCheck = begun + FollowLoop.checkIntervalMilliseconds
        var lastTurn = Clock.boottimeMilliseconds
        while !end.isSignalled() {
            watch.limits.renew(timeoutMilliseconds: FollowLoop.tickMilliseconds)
            let changes = try arrivals(&watch, &check, replica)
            // After a long stop, what arrived before it may be of a history that is over.
            let turn = Clock.boottimeMilliseconds
            if turn - lastTurn > FollowLoop.checkIntervalMilliseconds { throw .again }
            lastTurn = turn
            for change in changes {
                guard case .text(let text) = change else { throw .again }
                if let known = replica.known, text.version.number <= known.number { continue }
                // It may have been under way for long, so it confirms nothing.
                replica.adopt(text.version, text.text, at: nil)
            }
            replica.tick()
            let now = Clock.coarseMilliseconds
            if !watch.isCreated, now - begun > Self.creationMilliseconds {
                throw FollowEnd(reason: "does not begin to watch")
            }
            if now - begun > Self.watchMilliseconds { throw .again }
            if now >= nextCheck || replica.isAwaited {
                try check.perform()
                nextCheck = Clock.coarseMilliseconds + FollowLoop.checkIntervalMilliseconds
                lastTurn = Clock.boottimeMilliseconds
            }
            if let late = check.lag.overdue(at: replica) { throw FollowEnd(reason: "does not report version \(late)") }
        }
    }

    /// The changes that arrive before the next tick.
    private func arrivals(
        _ watch: inout EtcdWatch, _ check: inout EtcdCheck, _ replica: Replica
    ) throws(FollowEnd) -> [EtcdChange] {
        do throws(EtcdFault) {
            defer { replica.wakeUp.clear() }
            let changes = try watch.read()
            check.lag.noteArrival()
            return changes
        } catch .http(.timedOut) {
            return []
        } catch .http(.interrupted) {
            return []
        } catch .canceled(isCompacted: true, _) {
            throw .again
        } catch {
            throw FollowEnd(reason: "has ended the watch: \(error)")
        }
    }
}

/// Asks, over a connection of its own, whether the adopted version is still the current one.
private struct EtcdCheck {
    private let source: EtcdSource
    private let replica: Replica
    private var connection: EtcdConnection?
    var lag = StreamLag()

    init(_ source: EtcdSource, _ replica: Replica) { (self.source, self.replica) = (source, replica) }

    mutating func perform() throws(FollowEnd) {
        guard let known = replica.known else { throw .again }
        let moment = Clock.boottimeMilliseconds
        let state = try ask(wholeText: known.number > 0 && known.instance == 0)
        let version = state.current.version
        if version == known, known.instance != 0 || known.number == 0 || replica.hasAdopted(state.current) {
            lag.expectNothing()
            replica.confirm(at: moment)
        } else if version.number > known.number {
            lag.expect(version)
        } else {
            throw .again
        }
    }

    private mutating func ask(wholeText: Bool) throws(FollowEnd) -> EtcdState {
        let keys = source.keys
        func ask(_ connection: EtcdConnection) throws(EtcdFault) -> EtcdState {
            try wholeText ? connection.read(keys) : connection.readVersion(keys)
        }
        // A member ends a connection that was idle for long: then once more.
        if let connection, connection.isOpen {
            connection.limits.renew(timeoutMilliseconds: EtcdSource.tryMilliseconds)
            if let state = try? ask(connection) { return state }
        }
        let limits = ClientLimits(timeoutMilliseconds: EtcdSource.tryMilliseconds)
        return try FollowEnd.from { () throws(EtcdFault) in
            let connection = try source.connect(limits)
            self.connection = connection
            return try ask(connection)
        }
    }
}

extension FollowEnd {
    /// Turns a fault of etcd's into the reason to leave the member.
    fileprivate static func from<Value: ~Copyable>(
        _ call: () throws(EtcdFault) -> Value
    ) throws(FollowEnd) -> Value {
        do throws(EtcdFault) {
            return try call()
        } catch .http(let fault) {
            throw FollowEnd(reason: "does not answer: \(fault)")
        } catch {
            throw FollowEnd(reason: "cannot be followed, because \(error)")
        }
    }
}

extension Replica {
    /// Whether the adopted version is this one.
    ///
    /// What was set by hand has a version without a write id: it is the same one only if the text is, too.
    fileprivate func hasAdopted(_ text: EtcdText) -> Bool {
        guard known == text.version else { return false }
        guard text.version.instance == 0, text.version.number > 0, let shown, shown.version == known else {
            return true
        }
        return shown.text == text.text
    }
}
