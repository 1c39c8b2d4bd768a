import HTTPClient
import HTTPMessages
import LinuxSystem
import SharedMemory

/// A version of the text.
struct VersionedText {
    let version: Version
    let text: String
    /// When it was set (RFC 3339, in UTC); nil if that is not known, or if it never was.
    let changed: String?
}

extension VersionedText {
    init(_ snapshot: Snapshot) {
        version = snapshot.version
        text = snapshot.text
        changed = snapshot.version.number == 0 ? nil : snapshot.publicationTime.rfc3339
    }
}

/// Text whose versions arrive one after another.
protocol WatchedText {
    var name: String { get }

    /// Waits up to a second for a version after one; or returns nil earlier, after a signal.
    ///
    /// - Parameters:
    ///   - version: nil for the current one.
    ///   - waits: whether to wait for text that is not there.
    mutating func next(after version: Version?, waits: Bool) throws -> VersionedText?
}

/// The text of a segment on this host.
struct WatchedSegment: WatchedText {
    let follower: SegmentFollower

    var name: String { follower.name }

    func next(after version: Version?, waits: Bool) throws -> VersionedText? {
        try follower.nextInterruptibly(after: version, waitsForSegment: waits, timeout: .seconds(1))
            .map(VersionedText.init)
    }
}

/// The text at a server, through one event stream after another.
struct WatchedRemoteText: WatchedText {
    private let remote: RemoteText
    private var stream: HTTPConnection?
    private var parser = EventParser(limit: Segment.maximumCapacity + 100)
    /// What has arrived, and is to be returned.
    private var arrived: [VersionedText] = []
    private var lastArrival = Clock.coarseMilliseconds
    private var hasSucceeded = false

    private static let tickMilliseconds = 1000
    /// Longer than servers are silent: their heartbeats are 15 seconds apart, if nobody has changed that.
    private static let silenceMilliseconds = 120_000

    init(_ remote: RemoteText) { self.remote = remote }

    var name: String { remote.name }

    mutating func next(after version: Version?, waits: Bool) throws -> VersionedText? {
        if let next = arrived.popLast() {
            arrived = []
            return next
        }
        do {
            guard let stream = try open(after: version, waits: waits) else { return nil }
            try read(stream, waits: waits)
        } catch let error as RemoteError where error.isTemporary && (hasSucceeded || waits) {
            // The stream is resumed after the last version.
            stream = nil
            BackgroundThread.pause(milliseconds: Self.tickMilliseconds)
        }
        return arrived.popLast()
    }

    private mutating func open(after version: Version?, waits: Bool) throws -> HTTPConnection? {
        if let stream { return stream }
        guard let opened = try remote.stream(after: version) else {
            guard waits else {
                throw RemoteError(remote.server, "has no segment '\(remote.name)'", status: 404)
            }
            BackgroundThread.pause(milliseconds: Self.tickMilliseconds)
            return nil
        }
        (stream, hasSucceeded, lastArrival) = (opened, true, Clock.coarseMilliseconds)
        parser = EventParser(limit: Segment.maximumCapacity + 100)
        return opened
    }

    private mutating func read(_ stream: HTTPConnection, waits: Bool) throws {
        stream.limits.renew(timeoutMilliseconds: Self.tickMilliseconds)
        let bytes: [UInt8]
        do throws(HTTPFault) {
            bytes = try stream.readSome()
        } catch .timedOut {
            guard Clock.coarseMilliseconds - lastArrival < Self.silenceMilliseconds else {
                throw RemoteError(remote.server, "has fallen silent", isTemporary: true)
            }
            return
        } catch {
            throw RemoteError(remote.server, "has ended the event stream: \(error)", isTemporary: true)
        }
        guard !bytes.isEmpty else {
            throw RemoteError(remote.server, "has ended the event stream", isTemporary: true)
        }
        lastArrival = Clock.coarseMilliseconds
        guard let parts = try? parser.read(bytes) else {
            throw RemoteError(remote.server, "sends an event that is longer than any text")
        }
        for case .event(let event) in parts { try take(event, waits: waits) }
    }

    private mutating func take(_ event: ReceivedEvent, waits: Bool) throws {
        guard event.name == "message" else {
            guard waits else { throw RemoteError(remote.server, "has removed the segment", status: 404) }
            stream = nil
            return
        }
        guard let version = Version(event.id) else {
            throw RemoteError(remote.server, "sends an event without a version, so it is not a sharedmem server")
        }
        arrived.append(VersionedText(version: version, text: String(decoding: event.text, as: UTF8.self), changed: nil))
    }
}
