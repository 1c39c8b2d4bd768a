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
    private let service: Service
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
        var segments: [SegmentResource] = []
        for name in configuration.segments { segments.append(try Self.attach(name, configuration)) }
        service = Service(segments, token)
        for endpoint in bound { try endpoint.start(service) }
        addresses = bound.map(\.address)
        graceSeconds = configuration.graceSeconds
        endpoints = Mutex(bound)
    }

    deinit { stop() }

    /// Accepts no more connections, lets the requests that are under way finish for as long as the
    /// configuration grants, and closes what is left.
    ///
    /// Returns when that is done.
    public func stop() {
        let stopping = endpoints.withLock { endpoints in
            let stopping = endpoints
            endpoints = []
            return stopping
        }
        service.drain()
        for endpoint in stopping { endpoint.refuse() }
        for _ in 0..<graceSeconds * 200 {
            if stopping.allSatisfy({ $0.requestsInFlight == 0 }) { break }
            usleep(5000)
        }
        for endpoint in stopping { endpoint.stop() }
    }

    private static func attach(
        _ name: String, _ configuration: ServerConfiguration
    ) throws(ServerError) -> SegmentResource {
        let options = AttachmentOptions(
            lifetime: .persistent, capacity: configuration.capacity, directory: configuration.directory,
            mode: configuration.mode, trustedOwners: configuration.trustedOwners)
        do throws(SegmentError) {
            return try SegmentResource(name, options, configuration.report)
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
            (threadCount, 1, "threads"), (idleSeconds, 1, "seconds of idleness"), (graceSeconds, 0, "seconds of grace"),
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

/// One address with the threads that serve it.
private final class Endpoint: Sendable {
    private let listener: Listener
    private let limits: Daemon.Limits
    /// Nil until started.
    private let daemon = Mutex<Daemon?>(nil)

    var address: ListenAddress { listener.address }

    var requestsInFlight: Int { daemon.withLock { $0?.requestsInFlight ?? 0 } }

    /// Binds the address; who connects waits until it is started.
    init(_ address: ListenAddress, _ configuration: ServerConfiguration) throws(ServerError) {
        listener = try Listener(address, mode: configuration.mode)
        limits = Daemon.Limits(
            threadCount: configuration.threadCount, connectionCount: configuration.connectionLimit,
            connectionCountPerAddress: configuration.connectionLimitPerAddress,
            idleSeconds: configuration.idleSeconds)
    }

    deinit { stop() }

    func start(_ service: Service) throws(ServerError) {
        guard let started = Daemon(listener.descriptor, limits, service) else {
            throw .cannotListen(address, reason: "the system has no event loop left to give")
        }
        daemon.withLock { $0 = started }
    }

    /// Accepts no more connections.
    func refuse() {
        daemon.withLock { $0?.quiesce() }
        listener.refuse()
    }

    func stop() {
        refuse()
        daemon.withLock { $0?.stop() }
    }
}
