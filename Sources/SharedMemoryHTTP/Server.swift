import Etcd
import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
package import SharedMemoryKeep
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
/// The server runs on its own threads from ``init(_:)`` until ``stop()`` or until it is deallocated.
public final class Server: Sendable {
    /// The addresses as bound, with the ports that the system chose.
    public let addresses: [ListenAddress]
    private let watchdog: Watchdog
    private let hub: SubscriptionHub
    private let catalog: Catalog
    private let localChanges: LocalChangeLog
    /// Nil if no text is kept on disk.
    private let keeper: Keeper?
    private let graceSeconds: Int
    /// Empty once stopped.
    private let endpoints: Mutex<[Endpoint]>
    private let daemons: [Daemon]
    /// The configuration at the start, with what was replaced since.
    private let configuration: Mutex<ServerConfiguration>
    /// Nil if no address is encrypted.
    private let credentials: CurrentCredentials?

    /// Attaches the segments, creating persistent ones where there are none, and listens.
    ///
    /// - Throws: ``ServerError``
    public init(_ configuration: ServerConfiguration) throws(ServerError) {
        try configuration.validate()
        let credentials = try configuration.tls?.credentials()
        credentials?.reportIfExpired(to: configuration.report)
        let current = credentials.map(CurrentCredentials.init)
        // The addresses first: a server that cannot listen creates no segments.
        var listeners: [Listener] = []
        let socketMode = configuration.effectiveSocketMode
        for address in configuration.listen {
            listeners.append(try Listener(address, mode: socketMode, silenceSeconds: configuration.sendSeconds))
        }
        for descriptor in configuration.listeningSockets {
            listeners.append(try Listener(inherited: descriptor, silenceSeconds: configuration.sendSeconds))
        }
        let budget = ByteBudget()
        let log = try ServerLog(configuration)
        let crossOrigins = try CrossOrigins(configuration.crossOrigins)
        let localChanges = try orNoResources(LocalChangeLog(log))
        // Before anything is served: what is restored is the first text that a client sees.
        let keeper = try configuration.makeKeeper()
        let kept = try keeper?.restoreDirectory(configuration) ?? []
        let list = SegmentList(directory: configuration.directory, trustedOwners: configuration.trustedOwners) {
            keeper?.follow($0, $1)
        }
        let segments = try configuration.attachSegments(
            budget, keeper, list, log, localChanges,
            ReplicationMark.naming(configuration.isReadOnly ? [] : listeners.map(\.address)))
        let catalog = try configuration.catalog(
            segments, keeping: kept, keeper, list, budget, log, localChanges)
        let capacity = max(segments.compactMap(\.capacity).max() ?? 0, catalog.directory?.capacity ?? 0)
        budget.limit(to: try configuration.bytesInFlight(capacity: capacity))
        let metrics = Metrics(keeper)
        let watchdog = try orNoResources(Watchdog(lateBody: .requestTimeout))
        var hub: SubscriptionHub?
        var endpoints: [Endpoint] = []
        do throws(ServerError) {
            let times = Subscriber.Times(
                sendSeconds: configuration.sendSeconds, heartbeatSeconds: configuration.heartbeatSeconds,
                traffic: metrics.traffic)
            let limit = configuration.effectiveWatcherLimit
            let started = try orNoResources(SubscriptionHub(catalog.list, limit: limit, times, budget, metrics))
            hub = started
            for listener in listeners {
                let service = Service(
                    catalog, try configuration.access(at: listener.address), started, budget, metrics, log,
                    crossOrigins,
                    connectionCount: { watchdog.connectionCount },
                    maximumWaitSeconds: configuration.maximumWaitSeconds, isReadOnly: configuration.isReadOnly,
                    keepsBeforeAnswering: configuration.keepsBeforeAnswering,
                    stalenessLimit: configuration.maximumStalenessSeconds)
                endpoints.append(
                    try Endpoint(
                        listener, service, configuration.daemonLimits, budget, metrics.traffic, watchdog, current))
            }
            try orNoResources(localChanges.start())
            try orNoResources(catalog.directory?.start(onRemoval: started.announceChange))
            for (resource, following) in catalog.followings {
                try orNoResources(following.start { [weak started] in started?.announceChange(of: resource) })
            }
            // Only now, when nothing else can fail, are connections accepted.
            for endpoint in endpoints { try orNoResources(endpoint.daemon.start()) }
            self.hub = started
        } catch {
            // While all are alive: their threads, which may be about to start, do not retain them.
            Self.end(endpoints, hub, watchdog, catalog, localChanges, keeper)
            throw error
        }
        self.configuration = Mutex(configuration)
        self.credentials = current
        self.watchdog = watchdog
        self.catalog = catalog
        self.localChanges = localChanges
        self.keeper = keeper
        addresses = endpoints.map(\.listener.address)
        graceSeconds = configuration.graceSeconds
        daemons = endpoints.map(\.daemon)
        self.endpoints = Mutex(endpoints)
    }

    deinit { stop() }

    /// Accepts these tokens from now on, and no others.
    ///
    /// Requests and event streams that have begun go on.
    ///
    /// - Throws: ``ServerError``, if there are none, or if the server was started without tokens.
    public func replaceTokens(_ tokens: [AccessToken]) throws(ServerError) {
        try change { configuration throws(ServerError) in
            guard !tokens.isEmpty, !configuration.tokens.isEmpty else {
                throw .invalidConfiguration("Tokens can only be replaced by tokens: restart the server to change that.")
            }
            configuration.tokens = tokens
        }
    }

    /// Uses this certificate, these authorities and these roles from now on.
    ///
    /// Open connections go on with the certificates that they began with; the roles count for their next requests.
    ///
    /// - Throws: ``ServerError``, if GnuTLS refuses them, if the server was started without TLS, or if authorities or roles
    ///   of clients would be added or dropped. Nothing is replaced then.
    public func replaceTLS(_ tls: TLSConfiguration) throws(ServerError) {
        let credentials = try tls.credentials()
        try change { configuration throws(ServerError) in
            guard let old = configuration.tls, (old.clientAuthorities == nil) == (tls.clientAuthorities == nil),
                old.clientRoles.isEmpty == tls.clientRoles.isEmpty
            else {
                throw .invalidConfiguration(
                    "A running server cannot start or stop using TLS, client authorities or client roles: restart it.")
            }
            configuration.tls = tls
            self.credentials?.replace(with: credentials)
            credentials.reportIfExpired(to: configuration.report)
        }
    }

    /// Changes the configuration and applies its access rules at every address, one change at a time.
    private func change(_ body: (inout ServerConfiguration) throws(ServerError) -> Void) throws(ServerError) {
        try configuration.withLock { configuration throws(ServerError) in
            var changed = configuration
            try body(&changed)
            for endpoint in endpoints.withLock({ $0 }) {
                endpoint.service.replaceAccess(try changed.access(at: endpoint.listener.address))
            }
            configuration = changed
        }
    }

    /// How well text is kept on disk, for all segments together; nil if none is kept.
    package var keepStatus: KeepStatus? { keeper?.status }

    /// How well a segment's text is kept on disk.
    package func keepStatus(of segment: String) -> KeepStatus? { keeper?.status(of: segment) }

    /// How often each event loop has turned.
    ///
    /// One that does not turn after ``wakeLoops()`` is stuck.
    package var turnCounts: [Int] { daemons.flatMap(\.turnCounts) }

    /// Has each event loop turn.
    package func wakeLoops() { for daemon in daemons { daemon.wakeLoops() } }

    /// Accepts no more connections, lets the requests under way finish for as long as the configuration grants, and
    /// closes the remaining connections.
    ///
    /// Returns when that is done; if another thread has begun to stop the server, waits for it.
    public func stop() {
        endpoints.withLock { endpoints in
            guard !endpoints.isEmpty else { return }
            for endpoint in endpoints { endpoint.drain() }
            hub.close()
            for elapsed in 0..<graceSeconds * 1000 {
                let isUnderWay = endpoints.contains { $0.daemon.requestsInFlight > 0 }
                // A client that was refused has a second to stop sending and read why.
                if watchdog.usableCount == 0, !isUnderWay || elapsed >= 1000 { break }
                BackgroundThread.pause()
            }
            Self.end(endpoints, hub, watchdog, catalog, localChanges, keeper)
            endpoints = []
        }
    }

    private static func end(
        _ endpoints: [Endpoint], _ hub: SubscriptionHub?, _ watchdog: Watchdog, _ catalog: Catalog,
        _ localChanges: LocalChangeLog, _ keeper: Keeper?
    ) {
        catalog.directory?.stop()
        for (_, following) in catalog.followings { following.stop() }
        localChanges.stop()
        // Before the daemons: none of them may hold a connection when it stops.
        hub?.stop()
        keeper?.release()
        for endpoint in endpoints { endpoint.stop() }
        // After them: none of them sets text any more.
        keeper?.stop()
        watchdog.stop()
    }
}

private func orNoResources<Value>(_ call: @autoclosure () throws(SystemError) -> Value) throws(ServerError) -> Value {
    do throws(SystemError) {
        return try call()
    } catch {
        throw .noResources(reason: error.reason)
    }
}

extension TLSCredentials {
    fileprivate func reportIfExpired(to report: (String) -> Void) {
        if expires <= Clock.realtimeSeconds { report("the TLS certificate has expired: clients will refuse it") }
    }
}

extension ServerConfiguration {
    var attachmentOptions: AttachmentOptions {
        var options = AttachmentOptions(
            lifetime: .persistent, capacity: capacity, directory: directory, mode: mode, group: group,
            trustedOwners: trustedOwners)
        options.isOperator = true
        return options
    }

    fileprivate func catalog(
        _ resources: [SegmentResource], keeping kept: [String], _ keeper: Keeper?, _ list: SegmentList,
        _ budget: ByteBudget, _ log: ServerLog, _ localChanges: LocalChangeLog
    ) throws(ServerError) -> Catalog {
        guard isDynamic else { return Catalog(resources, list) }
        do throws(SegmentError) {
            let directory = try ServedDirectory(
                attachmentOptions, limit: segmentLimit, pattern: namePattern, keeping: kept, keeper, list, budget, log,
                localChanges)
            return Catalog(directory, first: segments[0], list)
        } catch {
            throw .segment(name: segments[0], error)
        }
    }

    fileprivate func attachSegments(
        _ budget: ByteBudget, _ keeper: Keeper?, _ list: SegmentList, _ log: ServerLog,
        _ localChanges: LocalChangeLog, _ mark: ReplicationMark
    ) throws(ServerError) -> [SegmentResource] {
        let options = attachmentOptions
        let cluster = try etcd?.cluster()
        return try segments.map { name throws(ServerError) in
            if !isDynamic { try keeper?.restoreAndKeep(name, options) }
            let follower: SegmentFollower
            do throws(SegmentError) {
                follower = try SegmentFollower(name, options) { [report, weak list] attachment in
                    // The list has the followers.
                    list?.look(at: name)
                    switch attachment {
                    case .success(let segment):
                        localChanges.follow(name, segment)
                        report("attached to '\(name)' again, because it was unlinked")
                    case .failure(let error): report("'\(name)' cannot be attached: \(error)")
                    }
                }
                localChanges.follow(name, try follower.attach())
            } catch {
                throw .segment(name: name, error)
            }
            let following = try following(follower, mark, cluster, log)
            if following == nil, (try? follower.attach().replicated) != nil {
                report(
                    "'\(name)' is marked as replicated, so this server refuses each PUT: set the text through the server that "
                        + "replicates it; or, if none will again, run 'sharedmem release \(name)'")
            }
            // A kept version has a number of this server's segment, which no client of a followed text is shown.
            return SegmentResource(follower, budget, log, following == nil ? keeper : nil, following: following)
        }
    }

    private func following(
        _ segment: SegmentFollower, _ mark: ReplicationMark, _ cluster: EtcdCluster?, _ log: ServerLog
    ) throws(ServerError) -> Following? {
        if let follow {
            return try Following(segment, mark, log) { ownName throws(ServerError) in
                Upstream(try follow.servers(), follow.identity, ownName: ownName)
            }
        }
        guard let etcd, let cluster else { return nil }
        return try Following(segment, mark, log) { _ in EtcdSource(cluster, prefix: etcd.prefix, name: segment.name) }
    }

    fileprivate var daemonLimits: Daemon.Limits {
        Daemon.Limits(
            threadCount: threadCount, connectionCount: connectionLimit,
            connectionCountPerAddress: connectionLimitPerAddress,
            time: TimeLimits(
                headSeconds: headSeconds, bodySeconds: bodySeconds, sendSeconds: sendSeconds, idleSeconds: idleSeconds))
    }
}

extension ReplicationMark {
    /// A mark with the port of the first address that processes on the host can reach as `localhost`.
    fileprivate static func naming(_ addresses: [ListenAddress]) -> ReplicationMark {
        let hosts = ["127.0.0.1", "0.0.0.0", "::1", "::"]
        for address in addresses {
            if case .tcp(let host, let port) = address, hosts.contains(host) { return ReplicationMark(port: port) }
            if case .https(let host, let port) = address, hosts.contains(host) {
                return ReplicationMark(port: port, isEncrypted: true)
            }
        }
        return ReplicationMark(port: nil)
    }
}

/// One address, and the daemon that serves it.
private final class Endpoint: Sendable {
    let listener: Listener
    let daemon: Daemon
    let service: Service
    private let watchdog: Watchdog

    init(
        _ listener: Listener, _ service: Service, _ limits: Daemon.Limits, _ budget: ByteBudget, _ meter: TrafficMeter,
        _ watchdog: Watchdog, _ credentials: CurrentCredentials?
    ) throws(ServerError) {
        let credentials = listener.address.isEncrypted ? credentials : nil
        guard let daemon = Daemon(listener.socket.descriptor, limits, budget, meter, watchdog, service, credentials)
        else {
            throw .cannotListen(listener.address, reason: "the system has no resources left for an event loop")
        }
        self.listener = listener
        self.service = service
        self.watchdog = watchdog
        self.daemon = daemon
    }

    deinit { daemon.stop() }

    /// From now on accepts no more connections, and each response ends its own.
    ///
    /// In this order: a client whose connection ends with its response may connect again at once, and is then refused
    /// rather than accepted and reset.
    func drain() {
        daemon.quiesce()
        for descriptor in listener.refuse() {
            // A client that expects TLS could not read an answer.
            watchdog.turnAway(descriptor, listener.address.isEncrypted ? { _ in .close } : Service.turnAway)
        }
        service.drain()
        // A proxy that sent its next request on an idle connection would get a refusal for its client.
        daemon.drain()
    }

    func stop() {
        drain()
        daemon.stop()
    }
}
