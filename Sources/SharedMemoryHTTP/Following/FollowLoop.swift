import HTTPClient
import HTTPMessages
import LinuxSystem
import SharedMemory

/// Follows the text of one name at other servers.
///
/// The loop gets the text with `Prefer: consistent`, adopts it even if it is older than the one it had, and then reads the event
/// stream of the same server, of which only a later version of the same history counts. Anything else makes it begin again.
/// Models/relay.pml shows that the replica then never goes back to an older version, unless the origin itself does.
///
/// Every two seconds, and whenever a request needs it, the loop asks over a second connection whether the adopted version is
/// still current. So it leaves a server that falls silent without ending the connection, and knows the age of the text.
struct FollowLoop: Sendable {
    private let replica: Replica
    private let upstream: Upstream
    private let log: ServerLog

    private static let checkIntervalMilliseconds = 2000
    /// For connecting, and then for each piece of the text.
    private static let timeoutMilliseconds = 5000
    private static let tickMilliseconds = 250
    private static let pauseMilliseconds = 50...1000

    init(_ replica: Replica, _ upstream: Upstream, _ log: ServerLog) {
        (self.replica, self.upstream, self.log) = (replica, upstream, log)
    }

    /// Runs until `end` is signalled; ``Replica/wakeUp`` must be signalled too.
    func run(until end: borrowing EventDescriptor) {
        var pause = Self.pauseMilliseconds.lowerBound
        while !end.isSignalled() {
            let begun = Clock.coarseMilliseconds
            do throws(FollowEnd) {
                try follow(until: end)
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
        let url = upstream.url
        upstream.advance()
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

/// Why following a server has ended.
struct FollowEnd: Error {
    let reason: String
    /// Whether to begin with the same server again.
    var isTriedAgain = false

    static let again = FollowEnd(reason: "begins again", isTriedAgain: true)

    /// Turns a fault of the connection into the reason to leave the server.
    static func from<Value>(_ call: () throws(HTTPFault) -> Value) throws(FollowEnd) -> Value {
        do throws(HTTPFault) {
            return try call()
        } catch {
            throw FollowEnd(reason: "does not answer: \(error)")
        }
    }
}

// MARK: One server

extension FollowLoop {
    /// Follows a server until that has to begin again, here or elsewhere.
    private func follow(until end: borrowing EventDescriptor) throws(FollowEnd) {
        let limits = ClientLimits(timeoutMilliseconds: Self.timeoutMilliseconds, interruption: end.descriptor)
        let connection = try FollowEnd.from { () throws(HTTPFault) in try upstream.connect(limits) }
        let moment = Clock.boottimeMilliseconds
        let answer = try begin(connection)
        if !replica.isConnected { log.follows(replica.name, upstream.url) }
        replica.connected(via: answer.via)
        if answer.version == replica.known {
            replica.confirm(at: moment)
        } else {
            replica.adopt(answer.version, answer.text, at: moment)
        }
        try openStream(connection)
        limits.interruption = replica.wakeUp.descriptor
        try readStream(connection, until: end)
    }

    /// Gets the current text.
    private func begin(
        _ connection: HTTPConnection
    ) throws(FollowEnd) -> (version: Version, text: [UInt8], via: String) {
        var request = upstream.request("GET", replica.name)
        request.add("Prefer", "consistent")
        let response = try FollowEnd.from { () throws(HTTPFault) in try connection.exchange(request) }
        let version = try upstream.version(in: response)
        var text: [UInt8] = []
        while true {
            connection.limits.renew(timeoutMilliseconds: Self.timeoutMilliseconds)
            let piece = try FollowEnd.from { () throws(HTTPFault) in try connection.readSome() }
            if piece.isEmpty { return (version, text, response["via"] ?? "") }
            text += piece
            if text.count > Segment.maximumCapacity { throw FollowEnd(reason: "sends more than any segment can have") }
        }
    }

    private func openStream(_ connection: HTTPConnection) throws(FollowEnd) {
        guard connection.isReusable else { throw .again }
        connection.limits.renew(timeoutMilliseconds: Self.timeoutMilliseconds)
        var request = upstream.request("GET", replica.name)
        request.add("Accept", "text/event-stream")
        if let known = replica.known { request.add("Last-Event-ID", "\(known)") }
        let response = try FollowEnd.from { () throws(HTTPFault) in try connection.exchange(request) }
        guard response.status == 200, response["content-type"]?.hasPrefix("text/event-stream") == true else {
            throw FollowEnd(reason: "answers with status \(response.status) instead of an event stream")
        }
    }

    private func readStream(
        _ connection: HTTPConnection, until end: borrowing EventDescriptor
    ) throws(FollowEnd) {
        var parser = EventParser(limit: Segment.maximumCapacity + 100)
        var check = FollowCheck(upstream, replica)
        var nextCheck = Clock.coarseMilliseconds + Self.checkIntervalMilliseconds
        while !end.isSignalled() {
            connection.limits.renew(timeoutMilliseconds: Self.tickMilliseconds)
            let bytes = try piece(of: connection)
            if !bytes.isEmpty { check.noteArrival() }
            guard let parts = try? parser.read(bytes) else {
                throw FollowEnd(reason: "sends an event that is longer than any text")
            }
            for case .event(let event) in parts { try take(event) }
            replica.tick()
            if Clock.coarseMilliseconds >= nextCheck || replica.isAwaited {
                try check.perform()
                nextCheck = Clock.coarseMilliseconds + Self.checkIntervalMilliseconds
            }
            try check.endIfLate()
        }
    }

    /// What arrives before the next tick.
    private func piece(of stream: HTTPConnection) throws(FollowEnd) -> [UInt8] {
        do throws(HTTPFault) {
            let bytes = try stream.readSome()
            if !bytes.isEmpty { return bytes }
        } catch .timedOut {
            return []
        } catch .interrupted {
            replica.wakeUp.clear()
            return []
        } catch {
            throw FollowEnd(reason: "has ended the event stream: \(error)")
        }
        throw FollowEnd(reason: "has ended the event stream")
    }

    private func take(_ event: ReceivedEvent) throws(FollowEnd) {
        guard event.name == "message" else { throw FollowEnd(reason: "has removed the segment") }
        guard let version = Version(event.id) else {
            throw FollowEnd(reason: "sends an event without a version, so it is not a sharedmem server")
        }
        if version == replica.known { return }
        // What is older, or of another history, counts only when the server is asked for it.
        guard replica.known.map({ version.follows($0) }) ?? true else { throw .again }
        // A carriage return comes as U+0000, which the text never contains.
        let text = event.data.contains(0) ? event.data.map { $0 == 0 ? UInt8(ascii: "\r") : $0 } : event.data
        // The event may have been under way for long: it confirms nothing.
        replica.adopt(version, text, at: nil)
    }
}
