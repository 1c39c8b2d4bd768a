import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import Synchronization

/// Replicates the text of other servers into a segment, and passes on to them what this server's clients set.
final class Following: Sendable {
    let replica: Replica
    private let upstream: Upstream
    private let log: ServerLog
    private let writer: UpstreamWriter
    private let publisher: ReplicaPublisher
    /// Empty before the start.
    private let loops = Mutex<[BackgroundLoop]>([])

    private static let consistencyTimeoutMilliseconds = 5000

    init(
        _ segment: SegmentFollower, _ configuration: FollowConfiguration, _ log: ServerLog
    ) throws(ServerError) {
        self.log = log
        let ownName = "sharedmem-" + String(UInt64.random(in: .min ... .max), radix: 16)
        upstream = Upstream(try configuration.servers(), configuration.identity, ownName: ownName)
        publisher = ReplicaPublisher(segment)
        do throws(SystemError) {
            replica = try Replica(segment.name, publisher, log)
            writer = try UpstreamWriter(replica, upstream, log)
        } catch {
            throw .noResources(reason: error.reason)
        }
    }

    /// - Parameter onChange: called after each new version.
    func start(onChange: @escaping @Sendable () -> Void) throws(SystemError) {
        replica.start(onChange: onChange)
        let loop = FollowLoop(replica, upstream, log)
        let started = [
            try BackgroundLoop(named: "sharedmem pass") { [writer] end in
                writer.run(until: end)
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
    var fields: [ResponseField] { replica.fields(upstream.ownName) }

    /// Whether a request has passed through this server before.
    func isLoop(_ head: RequestHead) -> Bool { head.via.contains(upstream.ownName) }

    // MARK: Requests

    /// Holds a PUT until the server that is followed has answered it.
    func hold(
        _ text: [UInt8], _ conditions: Conditions, via: String, _ origin: RequestOrigin?, _ answer: AwaitedAnswer
    ) -> Reply {
        .hold { [writer] connection in
            writer.add(
                UpstreamWriter.Write(text, conditions, via: via, origin) {
                    answer.give($0)
                    connection.resume()
                })
        }
    }

    /// Holds a GET until the text is known to be current.
    func holdUntilCurrent(_ answer: AwaitedAnswer) -> Reply {
        let since = Clock.boottimeMilliseconds
        return .hold { [replica] connection in
            replica.wait(for: .confirmation(since: since), timeoutMilliseconds: Self.consistencyTimeoutMilliseconds) {
                answer.give($0 ? .response(.ok, Response()) : .problem(.notConfirmed))
                connection.resume()
            }
        }
    }
}
