import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory

/// A client whose request is held.
///
/// `@unchecked`: once the hub has it, the hub's thread alone uses it.
final class Subscriber: @unchecked Sendable {
    let connection: HeldConnection
    let source: Source
    /// Its index among the subscribers of the feed.
    var index = 0
    /// The last change of the list of which the client has been told.
    var change: UInt64 = 0
    /// What the client knows; nil for nothing.
    private(set) var version: Version?
    /// In coarse milliseconds: until when a poll is held, or until when the client must have read what is being sent; if
    /// nothing is being sent, when a heartbeat is due.
    private(set) var deadline: Int
    /// Whether the stream has ended.
    private(set) var isFinished = false
    /// What is being sent, and how many bytes of it have been.
    private(set) var sending: (event: Event, offset: Int)?
    private let form: Form
    /// When the client was last found not to be silent, in coarse milliseconds.
    private var lastLifeSign = 0
    /// The silence after which the connection breaks.
    private var silenceLimit = 0

    /// What it follows.
    enum Source {
        case text(SegmentResource)
        /// The list of the segments that match one of the patterns; of all if there are none.
        case list(patterns: [String])
    }

    enum Form {
        /// One response, from the thread that serves the connection.
        case poll(deadline: Int)
        /// Events, sent from the hub's thread.
        case stream(isChunked: Bool)
    }

    init(_ connection: HeldConnection, _ source: Source, _ form: Form, _ version: Version? = nil) {
        self.connection = connection
        self.source = source
        self.form = form
        self.version = version
        deadline = if case .poll(let deadline) = form { deadline } else { .max }
    }

    static let toldOfRemoval = UInt64.max

    /// Whether the client has been told that the segment was removed.
    var isTold: Bool { change == Self.toldOfRemoval }

    var isPoll: Bool { if case .poll = form { true } else { false } }

    private var isChunked: Bool { if case .stream(let isChunked) = form { isChunked } else { false } }

    enum Progress {
        case done
        /// The client has to read first.
        case blocked
        case failed
    }

    /// The time that a client has, and how long a stream is silent.
    struct Times: Sendable {
        /// For the client to read what is sent, plus a second for each 64 KiB of it.
        let sendSeconds: Int
        let heartbeatSeconds: Int
        let traffic: TrafficMeter
    }

    /// Begins a stream with its head.
    func begin(_ times: Times) -> Progress {
        if isPoll { return .done }
        connection.sendWithoutDelay()
        let fields = connection.responseFields.map { "\($0.name.rawValue): \($0.value)\r\n" }.joined()
        return send(Event(.head(date: Clock.realtimeSeconds, isChunked: isChunked, fields: fields)), times)
    }

    /// Sends the next part of a stream; the one before must be done.
    func send(_ event: Event, _ times: Times) -> Progress {
        let now = Clock.coarseMilliseconds
        if isSilent(now) {
            deadline = now + 100
            return .blocked
        }
        let byteCount = event.chunk.byteCount(isChunked: isChunked)
        let milliseconds = times.sendSeconds * 1000 + TimeLimits.milliseconds(for: byteCount)
        deadline = now + milliseconds
        // Rounded, because it is the same for most events then.
        let silenceLimit = (milliseconds + 999) / 1000 * 1000
        if silenceLimit != self.silenceLimit {
            connection.transport.limitSilence(milliseconds: silenceLimit)
            self.silenceLimit = silenceLimit
        }
        sending = (event, 0)
        return goOn(times)
    }

    /// Whether the client's system has acknowledged nothing for a second although there is something to acknowledge.
    ///
    /// What is not acknowledged counts as unsent: nothing more is queued, and once the client is back, the newest version
    /// is next.
    private func isSilent(_ now: Int) -> Bool {
        guard now - lastLifeSign > 1000 else { return false }
        if let silence = connection.transport.silenceMilliseconds, silence > 1000 { return true }
        lastLifeSign = now
        return false
    }

    /// Has a newer version take the place of one of which nothing has been sent.
    func skip(to event: Event) {
        guard case (event: let waiting, offset: 0)? = sending, waiting.version != nil else { return }
        sending = (event, 0)
        let addedByteCount = event.chunk.byteCount(isChunked: false) - waiting.chunk.byteCount(isChunked: false)
        deadline += TimeLimits.milliseconds(for: max(0, addedByteCount))
    }

    /// Sends as much as the client takes.
    func goOn(_ times: Times) -> Progress {
        while let (event, offset) = sending {
            guard offset < event.chunk.byteCount(isChunked: isChunked) else {
                finish(event, times)
                break
            }
            let sent = try? event.chunk.withBytes(from: offset, isChunked: isChunked) {
                try connection.transport.send($0)
            }
            guard let sent else { return .failed }
            if sent == 0 { return .blocked }
            sending?.offset += sent
        }
        return .done
    }

    private func finish(_ event: Event, _ times: Times) {
        sending = nil
        if !event.chunk.isHead { times.traffic.send(event.chunk.byteCount(isChunked: false)) }
        version = event.version ?? version
        change = event.change ?? change
        isFinished = event.chunk.isEnd
        deadline = Clock.coarseMilliseconds + times.heartbeatSeconds * 1000
    }
}
