internal import Glibc
import LinuxSystem
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
        budget.limit(to: try configuration.bytesInFlight(capacity: segments.compactMap(\.capacity).max() ?? 0))
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
