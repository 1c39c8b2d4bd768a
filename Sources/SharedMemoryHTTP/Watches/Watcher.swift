internal import Glibc
import LinuxSystem
import SharedMemory

/// A client whose request is held.
///
/// For one thread at a time.
final class Watcher {
    let connection: HeldConnection
    let feed: Feed
    /// Its place among those of the same feed.
    var index = 0
    /// What the client knows; nil for nothing.
    private(set) var version: Version?
    /// Coarse milliseconds: until when a poll is held, or what is being sent must be taken; where nothing is, when to
    /// send a heartbeat.
    private(set) var deadline: Int
    private(set) var isOver = false
    private let form: Form
    private var sending: (bytes: EventBytes, offset: Int)?

    enum Form {
        /// One answer, by the thread that serves the connection.
        case poll
        /// Events, which are sent from here.
        case stream(isChunked: Bool)
    }

    init(_ arrival: Watches.Arrival, _ feed: Feed) {
        connection = arrival.connection
        form = arrival.form
        version = arrival.version
        deadline = arrival.deadline
        self.feed = feed
    }

    var isPoll: Bool { if case .poll = form { true } else { false } }

    var isSending: Bool { sending != nil }

    /// Of the event that is being sent.
    var versionOnItsWay: Version? { sending?.bytes.version }

    private var isChunked: Bool { if case .stream(let isChunked) = form { isChunked } else { false } }
}

// MARK: Sending

extension Watcher {
    enum Progress {
        case done
        /// The client must read first.
        case blocked
        case failed
    }

    /// Begins a stream: sends its head.
    func begin(_ times: WatchTimes) -> Progress {
        if isPoll { return .done }
        connection.sendAtOnce()
        return send(.head(isChunked: isChunked), times)
    }

    /// Sends what comes next; what went before must be done.
    func send(_ bytes: EventBytes, _ times: WatchTimes) -> Progress {
        let byteCount = bytes.byteCount(isChunked: isChunked)
        deadline =
            Clock.coarseMilliseconds + times.sendSeconds * 1000 + OpenConnection.milliseconds(for: byteCount)
        sending = (bytes, 0)
        return goOn(times)
    }

    /// Sends as much as the client takes.
    func goOn(_ times: WatchTimes) -> Progress {
        while let (bytes, offset) = sending {
            guard offset < bytes.byteCount(isChunked: isChunked) else {
                isDone(bytes, times)
                break
            }
            let sent = unsafe bytes.withBytes(from: offset, isChunked: isChunked) { unsafe connection.send($0) }
            if sent < 0 { return sent == -Int(EAGAIN) ? .blocked : .failed }
            sending?.offset += sent
        }
        return .done
    }

    private func isDone(_ bytes: EventBytes, _ times: WatchTimes) {
        sending = nil
        if let version = bytes.version { self.version = version }
        isOver = bytes.isEnd
        deadline = Clock.coarseMilliseconds + times.heartbeatSeconds * 1000
    }
}

/// How long watchers may take, and are left in silence.
struct WatchTimes: Sendable {
    /// For what is sent to be read, and a second more for each ``TimeLimits/bytesPerSecond`` of it.
    let sendSeconds: Int
    let heartbeatSeconds: Int
}
