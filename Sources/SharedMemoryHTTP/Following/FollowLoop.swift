import HTTPClient
import HTTPMessages
import LinuxSystem
import SharedMemory
import Synchronization

/// Follows one text at other servers, in a thread of its own.
///
/// The loop gets the text with `Prefer: consistent`, adopts it even if it is older than the one it had, and then follows the
/// event stream of the same server, of which only a later version of the same history counts. Anything else begins the loop
/// again. Models/relay.pml shows that the text then never goes back, except if the origin itself did.
///
/// Every two seconds, and when a request needs it, a second connection asks whether the adopted version is still the current
/// one. So a server that falls silent without ending the connection is left, and the age of the text is known.
final class FollowLoop: Sendable {
    private let replica: Replica
    private let upstream: Upstream
    private let log: ServerLog
    private let isStopped = Atomic(false)
    /// Ends what cannot wait for the next tick.
    private let stopSignal: EventDescriptor
    private let thread = Mutex<BackgroundThread?>(nil)

    private static let checkIntervalMilliseconds = 2000
    private static let beginTimeoutMilliseconds = 5000
    /// How long a version that a check has shown may take through the stream.
    private static let lagMilliseconds = 500
    private static let tickMilliseconds = 250
    private static let pauseMilliseconds = 50...1000

    init(_ replica: Replica, _ upstream: Upstream, _ log: ServerLog) throws(SystemError) {
        (self.replica, self.upstream, self.log) = (replica, upstream, log)
        stopSignal = try EventDescriptor()
    }

    func start() throws(SystemError) {
        let started = try BackgroundThread(named: "sharedmem follow") { [self] in run() }
        thread.withLock { $0 = started }
    }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        stopSignal.signal()
        replica.wakeUp.signal()
        thread.withLock { $0 }?.join()
    }

    private func run() {
        var pause = Self.pauseMilliseconds.lowerBound
        while !isStopped.load(ordering: .relaxed) {
            let begun = Clock.coarseMilliseconds
            do throws(FollowEnd) {
                try follow()
            } catch {
                guard !isStopped.load(ordering: .relaxed) else { return }
                if !error.isTriedAgain { lose(error.reason) }
            }
            let wasLong = Clock.coarseMilliseconds - begun > Self.pauseMilliseconds.upperBound
            pause = wasLong ? Self.pauseMilliseconds.lowerBound : min(Self.pauseMilliseconds.upperBound, pause * 2)
            rest(milliseconds: Int.random(in: pause / 2...pause))
        }
    }

    private func lose(_ reason: String) {
        let url = upstream.url
        upstream.advance()
        guard replica.disconnected(because: "\(url) \(reason)") else { return }
        log.cannotFollow(replica.name, url, reason)
    }

    /// Waits, and goes on doing what is due.
    private func rest(milliseconds: Int) {
        let end = Clock.coarseMilliseconds + milliseconds
        while !isStopped.load(ordering: .relaxed), Clock.coarseMilliseconds < end {
            replica.tick()
            let left = min(Self.tickMilliseconds, end - Clock.coarseMilliseconds)
            stopSignal.wait(timeoutMilliseconds: CInt(max(1, left)))
        }
    }
}

/// Why following a server has ended.
struct FollowEnd: Error {
    let reason: String
    /// Whether to begin with the same server again.
    var isTriedAgain = false

    static let again = FollowEnd(reason: "begins again", isTriedAgain: true)

    /// Makes a fault the end.
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
    private func follow() throws(FollowEnd) {
        let limits = ClientLimits(
            timeoutMilliseconds: Self.beginTimeoutMilliseconds, interruption: stopSignal.descriptor)
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
        try readStream(connection)
    }

    /// Gets the text as it is now.
    private func begin(
        _ connection: HTTPConnection
    ) throws(FollowEnd) -> (version: Version, text: [UInt8], via: String) {
        var request = upstream.request("GET", replica.name)
        request.add("Prefer", "consistent")
        let response = try FollowEnd.from { () throws(HTTPFault) in try connection.exchange(request) }
        let version = try upstream.version(in: response)
        let text = try FollowEnd.from { () throws(HTTPFault) in
            try connection.readAll(limit: Segment.maximumCapacity)
        }
        return (version, text, response["via"] ?? "")
    }

    private func openStream(_ connection: HTTPConnection) throws(FollowEnd) {
        guard connection.isReusable else { throw .again }
        var request = upstream.request("GET", replica.name)
        request.add("Accept", "text/event-stream")
        if let known = replica.known { request.add("Last-Event-ID", "\(known)") }
        let response = try FollowEnd.from { () throws(HTTPFault) in try connection.exchange(request) }
        guard response.status == 200, response["content-type"]?.hasPrefix("text/event-stream") == true else {
            throw FollowEnd(reason: "answers with status \(response.status) instead of an event stream")
        }
    }

    private func readStream(_ connection: HTTPConnection) throws(FollowEnd) {
        var parser = EventParser(limit: Segment.maximumCapacity + 100)
        var check = FollowCheck(upstream, replica, lagMilliseconds: Self.lagMilliseconds)
        var nextCheck = Clock.coarseMilliseconds + Self.checkIntervalMilliseconds
        while !isStopped.load(ordering: .relaxed) {
            connection.limits.renew(timeoutMilliseconds: Self.tickMilliseconds)
            for event in try events(connection, &parser) { try take(event) }
            replica.tick()
            if Clock.coarseMilliseconds >= nextCheck || replica.isAwaited {
                try check.perform()
                nextCheck = Clock.coarseMilliseconds + Self.checkIntervalMilliseconds
            }
            try check.endIfLate()
        }
    }

    /// The events that arrive before the next tick.
    private func events(
        _ connection: HTTPConnection, _ parser: inout EventParser
    ) throws(FollowEnd) -> [ReceivedEvent] {
        do {
            let bytes = try connection.readSome()
            if bytes.isEmpty { throw FollowEnd(reason: "has ended the event stream") }
            return try parser.read(bytes).compactMap { if case .event(let event) = $0 { event } else { nil } }
        } catch HTTPFault.timedOut {
            return []
        } catch HTTPFault.interrupted {
            replica.wakeUp.clear()
            return []
        } catch let error as HTTPFault {
            throw FollowEnd(reason: "has ended the event stream: \(error)")
        } catch let error as FollowEnd {
            throw error
        } catch {
            throw FollowEnd(reason: "sends an event that is longer than any text")
        }
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
