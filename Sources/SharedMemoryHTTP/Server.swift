internal import Glibc
import SharedMemory
import Synchronization

/// An HTTP service for segments.
///
/// ```swift
/// var configuration = ServerConfiguration()
/// configuration.listen = [.tcp(host: "127.0.0.1", port: 0)]
/// let server = try Server(configuration)
/// print("listening on", server.addresses)
/// ```
///
/// Serves from its own threads from ``init(_:)`` until ``stop()`` or the end of its life.
public final class Server: Sendable {
    /// As bound: with the ports that the system chose.
    public let addresses: [ListenAddress]
    private let watchdog: Watchdog
    private let watches: Watches
    private let graceSeconds: Int
    /// Empty once stopped.
    private let endpoints: Mutex<[Endpoint]>

    /// Attaches the segments, persistent and created if need be, and listens.
    ///
    /// - Throws: ``ServerError``
    public init(_ configuration: ServerConfiguration) throws(ServerError) {
        let token = try configuration.validated()
        // The addresses first: a server that cannot listen creates no segments.
        var bound: [Endpoint] = []
        for address in configuration.listen { bound.append(try Endpoint(address, configuration)) }
        let budget = ByteBudget()
        var segments: [SegmentResource] = []
        for name in configuration.segments { segments.append(try Self.attach(name, budget, configuration)) }
        budget.limit(to: try configuration.bytesInFlight(segments))
        do throws(SystemError) {
            watchdog = try Watchdog(answer: Array(Problem.requestTimeout.message.utf8))
            watches = try Watches(
                segments, limit: configuration.watcherLimit ?? (configuration.connectionLimit + 1) / 2,
                WatchTimes(
                    sendSeconds: configuration.sendSeconds, heartbeatSeconds: configuration.heartbeatSeconds),
                budget)
        } catch {
            throw .noResources(reason: error.reason)
        }
        for endpoint in bound {
            let hosts = try configuration.hosts(at: endpoint.address)
            try endpoint.start(Service(segments, token, hosts, budget, watches), watchdog)
        }
        watches.begin()
        addresses = bound.map(\.address)
        graceSeconds = configuration.graceSeconds
        endpoints = Mutex(bound)
    }

    deinit { stop() }

    /// Accepts no more connections, lets the requests that are under way finish for as long as the
    /// configuration grants, and closes what is left.
    ///
    /// Returns when that is done, whoever began it.
    public func stop() {
        // Who comes second waits for the first.
        endpoints.withLock { endpoints in
            if !endpoints.isEmpty { stop(endpoints) }
            endpoints = []
        }
    }

    private func stop(_ stopping: [Endpoint]) {
        for endpoint in stopping { endpoint.drain() }
        for endpoint in stopping { endpoint.refuse() }
        watches.end()
        for _ in 0..<graceSeconds * 200 {
            if stopping.allSatisfy({ $0.requestsInFlight == 0 }) { break }
            usleep(5000)
        }
        // Not even the last of them may be held when its daemon stops.
        watches.stop()
        for endpoint in stopping { endpoint.stop() }
        watchdog.stop()
    }

    private static func attach(
        _ name: String, _ budget: ByteBudget, _ configuration: ServerConfiguration
    ) throws(ServerError) -> SegmentResource {
        let options = AttachmentOptions(
            lifetime: .persistent, capacity: configuration.capacity, directory: configuration.directory,
            mode: configuration.mode, trustedOwners: configuration.trustedOwners)
        do throws(SegmentError) {
            return try SegmentResource(name, options, budget, configuration.report)
        } catch {
            throw .segment(name: name, error)
        }
    }
}

extension ServerConfiguration {
    /// - Returns: the token, ready for comparing.
    fileprivate func validated() throws(ServerError) -> Token? {
        guard !segments.isEmpty else { throw .invalidConfiguration("There is no segment to serve: name one.") }
        guard Set(segments).count == segments.count else {
            throw .invalidConfiguration("A segment is named twice: name each once.")
        }
        guard !listen.isEmpty else { throw .invalidConfiguration("There is no address to listen on: give one.") }
        for (limit, least, what) in [
            (connectionLimit, 1, "connections"), (connectionLimitPerAddress, 0, "connections per client"),
            (threadCount, 1, "threads"), (headSeconds, 1, "seconds for a head"), (bodySeconds, 1, "seconds for a body"),
            (sendSeconds, 1, "seconds for an answer"), (idleSeconds, 1, "seconds of idleness"),
            (graceSeconds, 0, "seconds of grace"), (watcherLimit ?? 0, 0, "watchers"),
            (heartbeatSeconds, 1, "seconds between heartbeats"),
        ] where !(least...1_000_000).contains(limit) {
            throw .invalidConfiguration("\(limit) \(what) are not possible: use \(least) to 1000000.")
        }
        guard threadCount <= connectionLimit else {
            throw .invalidConfiguration(
                "\(threadCount) threads are more than \(connectionLimit) connections: use fewer threads.")
        }
        guard let token else {
            for case .tcp(let host, let port) in listen where !allowsAnonymous {
                guard try Listener.isLoopback(host: host, port: port) else {
                    throw .needsToken(.tcp(host: host, port: port))
                }
            }
            return nil
        }
        guard let comparable = Token(token) else { throw .invalidToken }
        return comparable
    }
}

extension ServerConfiguration {
    fileprivate func bytesInFlight(_ segments: [SegmentResource]) throws(ServerError) -> Int {
        let capacity = segments.compactMap(\.capacity).max() ?? 0
        guard let limit = bytesInFlightLimit else { return max(256 << 20, 4 * capacity) }
        guard limit >= 2 * capacity else {
            throw .invalidConfiguration(
                "\(limit) bytes in flight are too few for texts of \(capacity): use at least \(2 * capacity).")
        }
        return limit
    }

    /// - Returns: nil for any.
    fileprivate func hosts(at address: ListenAddress) throws(ServerError) -> AllowedHosts? {
        guard case .tcp(let host, let port) = address else { return nil }
        let isLoopback = try Listener.isLoopback(host: host, port: port)
        return isLoopback && token == nil || !allowedHosts.isEmpty ? AllowedHosts(allowedHosts) : nil
    }
}

/// One address with the threads that serve it.
private final class Endpoint: Sendable {
    private let listener: Listener
    private let limits: Daemon.Limits
    /// Nil until started.
    private let running = Mutex<(daemon: Daemon, service: Service)?>(nil)

    var address: ListenAddress { listener.address }

    var requestsInFlight: Int { running.withLock { $0?.daemon.requestsInFlight ?? 0 } }

    /// Binds the address; who connects waits until it is started.
    init(_ address: ListenAddress, _ configuration: ServerConfiguration) throws(ServerError) {
        listener = try Listener(address, mode: configuration.mode)
        limits = Daemon.Limits(
            threadCount: configuration.threadCount, connectionCount: configuration.connectionLimit,
            connectionCountPerAddress: configuration.connectionLimitPerAddress,
            time: TimeLimits(
                headSeconds: configuration.headSeconds, bodySeconds: configuration.bodySeconds,
                sendSeconds: configuration.sendSeconds, idleSeconds: configuration.idleSeconds))
    }

    deinit { stop() }

    func start(_ service: Service, _ watchdog: Watchdog) throws(ServerError) {
        guard let started = Daemon(listener.descriptor, limits, watchdog, service) else {
            throw .cannotListen(address, reason: "the system has no event loop left to give")
        }
        running.withLock { $0 = (started, service) }
    }

    /// From now on each answer ends its connection.
    func drain() { running.withLock { $0?.service.drain() } }

    /// Accepts no more connections.
    func refuse() {
        running.withLock { $0?.daemon.quiesce() }
        listener.refuse()
    }

    func stop() {
        refuse()
        running.withLock { $0?.daemon.stop() }
    }
}
