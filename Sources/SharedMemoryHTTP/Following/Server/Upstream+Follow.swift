import HTTPClient
import HTTPMessages
import LinuxSystem
import SharedMemory

/// Another server as the source.
///
/// The loop gets the text with `Prefer: consistent`, adopts it even if it is older than the one it had, and then reads the event
/// stream of the same server, of which only a later version of the same history counts. Anything else makes it begin again.
/// Models/relay.pml shows that the replica then never goes back to an older version, unless the origin itself does.
///
/// Every two seconds, and whenever a request needs it, the loop asks over a second connection whether the adopted version is
/// still current. So it leaves a server that falls silent without ending the connection, and knows the age of the text.
extension Upstream: ReplicaSource {
    var noun: String { "The server that this one follows" }

    func makeWriter(_ replica: Replica) -> any ReplicaWriter { UpstreamWriter(replica, self) }

    func follow(_ replica: Replica, _ log: ServerLog, until end: borrowing EventDescriptor) throws(FollowEnd) {
        let limits = ClientLimits(timeoutMilliseconds: FollowLoop.timeoutMilliseconds, interruption: end.descriptor)
        let connection = try FollowEnd.from { () throws(HTTPFault) in try connect(limits) }
        let moment = Clock.boottimeMilliseconds
        let answer = try begin(connection, replica.name)
        if !replica.isConnected { log.follows(replica.name, current) }
        replica.connected(via: answer.via, answer.order)
        if answer.version == replica.known {
            replica.confirm(at: moment)
        } else {
            let isLater = replica.known.map { answer.version.follows($0, in: answer.order) } ?? true
            replica.adopt(answer.version, answer.text, at: moment, isOtherHistory: !isLater)
        }
        try openStream(connection, replica)
        limits.interruption = replica.wakeUp.descriptor
        try readStream(connection, replica, until: end)
    }

    /// Gets the current text.
    private func begin(
        _ connection: HTTPConnection, _ name: String
    ) throws(FollowEnd) -> (version: Version, text: [UInt8], via: String, order: VersionOrder) {
        var request = request("GET", name)
        request.add("Prefer", "consistent")
        let response = try FollowEnd.from { () throws(HTTPFault) in try connection.exchange(request) }
        let version = try version(in: response)
        var text: [UInt8] = []
        while true {
            connection.limits.renew(timeoutMilliseconds: FollowLoop.timeoutMilliseconds)
            let piece = try FollowEnd.from { () throws(HTTPFault) in try connection.readSome() }
            if piece.isEmpty { return (version, text, response["via"] ?? "", Self.order(response)) }
            text += piece
            if text.count > Segment.maximumCapacity { throw FollowEnd(reason: "sends more than any segment can have") }
        }
    }

    private func openStream(_ connection: HTTPConnection, _ replica: Replica) throws(FollowEnd) {
        guard connection.isReusable else { throw .again }
        connection.limits.renew(timeoutMilliseconds: FollowLoop.timeoutMilliseconds)
        var request = request("GET", replica.name)
        request.add("Accept", "text/event-stream")
        if let known = replica.known { request.add("Last-Event-ID", "\(known)") }
        let response = try FollowEnd.from { () throws(HTTPFault) in try connection.exchange(request) }
        guard response.status == 200, response["content-type"]?.hasPrefix("text/event-stream") == true else {
            throw FollowEnd(reason: "answers with status \(response.status) instead of an event stream")
        }
    }

    private func readStream(
        _ connection: HTTPConnection, _ replica: Replica, until end: borrowing EventDescriptor
    ) throws(FollowEnd) {
        var parser = EventParser(limit: Segment.maximumCapacity + 100)
        var check = UpstreamCheck(self, replica)
        var nextCheck = Clock.coarseMilliseconds + FollowLoop.checkIntervalMilliseconds
        while !end.isSignalled() {
            connection.limits.renew(timeoutMilliseconds: FollowLoop.tickMilliseconds)
            let bytes = try piece(of: connection, replica)
            if !bytes.isEmpty { check.lag.noteArrival() }
            guard let parts = try? parser.read(bytes) else {
                throw FollowEnd(reason: "sends an event that is longer than any text")
            }
            for case .event(let event) in parts { try take(event, replica) }
            replica.tick()
            if Clock.coarseMilliseconds >= nextCheck || replica.isAwaited {
                try check.perform()
                nextCheck = Clock.coarseMilliseconds + FollowLoop.checkIntervalMilliseconds
            }
            if check.lag.overdue(at: replica) != nil { throw .again }
        }
    }

    /// What arrives before the next tick.
    private func piece(of stream: HTTPConnection, _ replica: Replica) throws(FollowEnd) -> [UInt8] {
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

    private func take(_ event: ReceivedEvent, _ replica: Replica) throws(FollowEnd) {
        guard event.name == "message" else { throw FollowEnd(reason: "has removed the segment") }
        guard let version = Version(event.id) else {
            throw FollowEnd(reason: "sends an event without a version, so it is not a sharedmem server")
        }
        if version == replica.known { return }
        // What is older, or of another history, counts only when the server is asked for it.
        guard replica.known.map({ version.follows($0, in: replica.order) }) ?? true else { throw .again }
        // The event may have been under way for long: it confirms nothing.
        replica.adopt(version, event.text, at: nil)
    }
}
