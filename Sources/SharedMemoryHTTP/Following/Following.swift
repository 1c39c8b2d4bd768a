import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory

/// Follows the text of one name at other servers, and passes on what this server's clients set.
final class Following: Sendable {
    let replica: Replica
    private let upstream: Upstream
    private let loop: FollowLoop
    private let writer: UpstreamWriter

    init(
        _ segment: SegmentFollower, _ configuration: FollowConfiguration, directory: String, _ log: ServerLog
    ) throws(ServerError) {
        let ownName = "sharedmem-" + String(UInt64.random(in: .min ... .max), radix: 16)
        upstream = Upstream(try configuration.servers(), configuration.identity, ownName: ownName)
        do throws(SystemError) {
            replica = try Replica(segment.name, ReplicaPublisher(segment, directory: directory), log)
            loop = try FollowLoop(replica, upstream, log)
            writer = try UpstreamWriter(replica, upstream, log)
        } catch {
            throw .noResources(reason: error.reason)
        }
    }

    /// - Parameter onChange: called after each new version.
    func start(onChange: @escaping @Sendable () -> Void) throws(SystemError) {
        replica.start(onChange: onChange)
        try writer.start()
        try loop.start()
    }

    /// Answers all requests that wait, and ends the threads.
    func stop() {
        replica.stop()
        writer.stop()
        loop.stop()
    }

    /// What the response to a read says about the text's age and way.
    var fields: [ResponseField] { replica.fields(upstream.ownName) }

    /// Whether a request has been here before.
    func isLoop(_ head: RequestHead) -> Bool { head.via.contains(upstream.ownName) }

    // MARK: Requests

    /// Holds a PUT until the server that is followed has answered it.
    func hold(
        _ text: [UInt8], _ conditions: Conditions, via: String, _ origin: RequestOrigin?, _ answer: AwaitedAnswer
    ) -> Reply {
        .hold { [writer] connection in
            writer.add(
                UpstreamWriter.Write(
                    text: text, conditions: conditions, via: via,
                    deadline: Clock.coarseMilliseconds + UpstreamWriter.timeoutMilliseconds, origin: origin
                ) {
                    answer.give($0)
                    connection.resume()
                })
        }
    }

    /// Holds a GET until the text is known to be current; the text itself is then read as ever.
    func holdUntilCurrent(_ answer: AwaitedAnswer) -> Reply {
        let since = Clock.boottimeMilliseconds
        return .hold { [replica] connection in
            replica.wait(for: .confirmation(since: since), timeoutMilliseconds: UpstreamWriter.timeoutMilliseconds) {
                answer.give($0 ? .response(.ok, Response()) : .problem(.notConfirmed))
                connection.resume()
            }
        }
    }
}
