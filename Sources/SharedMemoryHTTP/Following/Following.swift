import Etcd
import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import Synchronization

/// Replicates the text of another server or of etcd into a segment, and passes on what this server's clients set.
final class Following: Sendable {
    let replica: Replica
    private let source: any ReplicaSource
    private let log: ServerLog
    private let writes: WriteQueue
    private let publisher: ReplicaPublisher
    /// The name of this server in `Via`, by which servers notice that they follow each other.
    private let ownName: String
    /// Empty before the start.
    private let loops = Mutex<[BackgroundLoop]>([])

    private static let consistencyTimeoutMilliseconds = 5000

    /// - Parameter makeSource: gets the name of this server.
    init(
        _ segment: SegmentFollower, _ mark: ReplicationMark, _ log: ServerLog,
        _ makeSource: (_ ownName: String) throws(ServerError) -> any ReplicaSource
    ) throws(ServerError) {
        self.log = log
        ownName = "sharedmem-" + String(UInt64.random(in: .min ... .max), radix: 16)
        source = try makeSource(ownName)
        publisher = ReplicaPublisher(segment, mark)
        do throws(SystemError) {
            replica = try Replica(segment.name, publisher, log)
            writes = try WriteQueue()
        } catch {
            throw .noResources(reason: error.reason)
        }
    }

    /// - Parameter onChange: called after each new version.
    func start(onChange: @escaping @Sendable () -> Void) throws(SystemError) {
        publisher.start()
        replica.start(onChange: onChange)
        let loop = FollowLoop(replica, source, log)
        let started = [
            try BackgroundLoop(named: "sharedmem pass") { [writes, source, replica, log] end in
                writes.run(source.makeWriter(replica), log, until: end)
                return false
            },
            try BackgroundLoop(named: "sharedmem follow") { end in
                loop.run(until: end)
                return false
            },
        ]
        loops.withLock { $0 = started }
    }

    /// Answers all requests that wait, and ends the threads.
    func stop() {
        replica.stop()
        for loop in loops.withLock({ $0 }) { loop.stop() }
        publisher.stop()
    }

    /// The fields of a response about the text's age and the servers that it came through.
    var fields: [ResponseField] { replica.fields(ownName) }

    /// Whether a request has passed through this server before.
    func isLoop(_ head: RequestHead) -> Bool { head.via.contains(ownName) }

    // MARK: Requests

    /// Holds a PUT until the source has answered it.
    func hold(_ text: [UInt8], _ pending: PendingRequest, _ answer: AwaitedAnswer) -> Reply {
        .hold { [writes] connection in
            writes.add(
                PassedWrite(text, pending) {
                    answer.give($0)
                    connection.resume()
                })
        }
    }

    /// Holds a GET until the text is known to be current.
    func holdUntilCurrent(_ answer: AwaitedAnswer) -> Reply {
        let arrival = Clock.boottimeMilliseconds
        return .hold { [replica, source] connection in
            replica.wait(for: .confirmation(after: arrival), timeoutMilliseconds: Self.consistencyTimeoutMilliseconds) {
                answer.give($0 ? .response(.ok, Response()) : .problem(.notConfirmed(source.noun)))
                connection.resume()
            }
        }
    }
}
