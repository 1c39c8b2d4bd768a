import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import Synchronization

/// Replies to the requests of one address: finds the resource, checks access, and lets the resource reply.
final class Service: Sendable {
    private let routes: Routes
    private let segments: [SegmentResource]
    private let access: Mutex<Access>
    private let isReadOnly: Bool
    private let hub: SubscriptionHub
    private let maximumWaitSeconds: Int
    private let contract = Contract()
    private let alive = Response.probe("alive")
    private let ready = Response.probe("ready")
    private let isDraining = Atomic<Bool>(false)

    init(
        _ segments: [SegmentResource], _ access: Access, _ hub: SubscriptionHub, maximumWaitSeconds: Int,
        isReadOnly: Bool
    ) {
        self.segments = segments
        self.access = Mutex(access)
        self.isReadOnly = isReadOnly
        self.hub = hub
        self.maximumWaitSeconds = maximumWaitSeconds
        routes = Routes(segments.map(\.name))
    }

    /// Judges requests by this from now on; those under way go on as they were judged.
    func replaceAccess(_ access: Access) { self.access.withLock { $0 = access } }

    /// From now on each response ends its connection, and the server is no longer ready.
    func drain() { isDraining.store(true, ordering: .relaxed) }

    /// The reply to a request that arrived while the server stopped, and that is not carried out.
    static func turnAway(_ head: ReceivedHead) -> Reply {
        if head.method == .get, head.acceptance.isEventStream { return .endedStream(.draining) }
        return .last(.draining, to: head.method)
    }
}

// MARK: The head

extension Service: RequestHandler {
    func begin(_ request: Request, target: Span<UInt8>, isIntact: Bool) -> Beginning {
        let access = access.withLock { $0 }
        let head = request.head(access.policy, isIntact: isIntact)
        // Where the body ends is not known either.
        if let problem = head.framingProblem { return .refuse(.last(problem, to: request.method)) }
        guard request.headByteCount + head.recordByteCount <= Daemon.maximumHeadByteCount else {
            return .refuse(.last(.headTooLong(limit: Daemon.maximumHeadByteCount), to: request.method))
        }
        let action = action(for: request, target, head, access)
        let hasBody = head.hasBody
        if hasBody, !action.takesBody {
            // The client waits to be asked for the body.
            if head.expectsContinue { return .refuse(reply(to: action, head.conditions)) }
            if head.contentLength > RequestBody.maximumDiscardedByteCount {
                return .refuse(.last(action.problem ?? .uselessBody, to: request.method))
            }
        }
        // A reply to the head ends the connection, which is what is wanted while the server drains.
        if !hasBody, isDraining.load(ordering: .relaxed) { return .refuse(reply(to: action, head.conditions)) }
        let context = plainContext(action, head) ?? RequestContext(retaining: PendingRequest(action, head))
        return .proceed(context, bodyLimit: hasBody ? action.bodyLimit : nil)
    }

    /// Most requests are a plain GET or PUT: between libmicrohttpd's calls a number, and no object.
    ///
    /// The number is that of the segment, above a bit that is 1 for PUT.
    private func plainContext(_ action: Action, _ head: RequestHead) -> RequestContext? {
        guard !head.conditions.isPresent, !head.isChunked else { return nil }
        return switch action {
        case .read(.segment(let segment)): RequestContext(number: UInt32(segment) << 1)
        case .put(let segment, _): RequestContext(number: UInt32(segment) << 1 | 1)
        default: nil
        }
    }

    private func action(for request: Request, _ target: Span<UInt8>, _ head: RequestHead, _ access: Access) -> Action {
        if head.hasUnknownExpectation { return .refuse(.unknownExpectation) }
        let route = routes.route(target)
        // Probes come by address, and the answers tell a page of another site nothing.
        if route?.isProbe != true {
            guard head.isForThisHost, isForThisHost(target, access) else { return .refuse(.unknownHost) }
        }
        guard let method = request.method else { return .refuse(.unknownMethod) }
        guard let route else { return .refuse(.notFound) }
        if route.isProtected {
            let role: AccessToken.Role = method == .put ? .write : .read
            let problem = access.problem(request, head, needs: role, for: name(of: route))
            if let problem { return .refuse(problem) }
        }
        let allowed = route.allowed(isReadOnly: isReadOnly)
        switch (method, route) {
        case (_, .unknownSegment): return .refuse(.notFound)
        case (.options, _): return .listMethods(allowed)
        case (.get, .segment(let segment)) where head.acceptance.isEventStream:
            if head.hasBody { return .refuse(.malformed("A request for an event stream cannot have a body.")) }
            return .stream(segment: segment, after: head.lastEventID.flatMap { Version($0) })
        case (.head, .segment) where head.acceptance.isEventStream: return .streamHead
        case (.get, .segment(let segment)), (.head, .segment(let segment)):
            if head.hasMalformedWait { return .refuse(.malformedWait) }
            guard head.conditions.hasIfNoneMatch, let seconds = head.waitSeconds, seconds > 0
            else { return .read(route) }
            // A client that left the quotes out would never be held, and ask again and again.
            guard head.conditions.isWellFormed else { return .refuse(.malformedEntityTag) }
            return .poll(segment: segment, seconds: min(seconds, maximumWaitSeconds))
        case (.get, _) where route != .server, (.head, _) where route != .server: return .read(route)
        case (.put, .segment(let segment)) where !isReadOnly: return put(segment, head)
        case (_, .server) where target == "/": return .refuse(.notFound)
        case (_, .server): return .refuse(.malformed("Only OPTIONS can have * as its target."))
        default: return .refuse(.methodNotAllowed(allowed))
        }
    }

    private func name(of route: Route) -> String {
        switch route {
        case .segment(let segment): segments[segment].name
        case .unknownSegment(let name): name
        case .contract, .alive, .ready, .server: ""
        }
    }

    private func put(_ segment: Int, _ head: RequestHead) -> Action {
        if let problem = head.contentProblem { return .refuse(problem) }
        if head.hasNoLength { return .refuse(.noLength) }
        guard head.conditions.isWellFormed else { return .refuse(.malformedEntityTag) }
        guard let capacity = segments[segment].capacity else { return .refuse(.unattached) }
        guard head.contentLength <= capacity else { return .refuse(.tooLong(capacity: capacity)) }
        if head.expectsContinue, let problem = segments[segment].refusal(head.conditions) { return .refuse(problem) }
        return .put(segment: segment, capacity: capacity)
    }

    /// A target that names a host overrides `Host`.
    private func isForThisHost(_ target: Span<UInt8>, _ access: Access) -> Bool {
        guard let authority = Routes.authority(target) else { return true }
        return access.policy.allows(host: target.extracting(authority))
    }
}

// MARK: The body and the reply

extension Service {
    func finish(_ request: Request, _ context: RequestContext, _ body: RequestBody) -> Reply {
        if let number = context.number {
            let segment = segments[Int(number >> 1)]
            return number & 1 == 0 ? segment.read() : segment.put(body)
        }
        let pending = context.object(PendingRequest.self)
        let reply = hold(pending, request) ?? self.reply(to: pending.action, pending.conditions, body)
        // libmicrohttpd reads the lines between chunks more leniently than other servers: what follows the last chunk may
        // not be a request.
        return pending.isChunked ? reply.endingConnection : reply
    }

    func problem(for fault: RequestBody.Fault) -> Problem { .bodyNotKept(fault) }

    /// - Parameter body: nil if nothing has been read, as there is no body or it does not matter.
    private func reply(to action: Action, _ conditions: Conditions, _ body: RequestBody? = nil) -> Reply {
        switch action {
        case .put(let segment, _):
            if let body { segments[segment].put(body, conditions) } else { segments[segment].put(Span(), conditions) }
        case .read(.segment(let segment)): segments[segment].read(conditions)
        case .poll(let segment, let seconds): segments[segment].read(conditions, waitSeconds: seconds)
        case .stream: .endedStream(.draining)
        case .streamHead: .last(EventChunk.head(date: Clock.realtimeSeconds))
        case .read(.contract): contract.read(conditions)
        case .read(.ready): readiness
        case .read: .response(.ok, alive)
        case .listMethods(let methods): .methods(methods)
        case .refuse(let problem): .problem(problem)
        }
    }

    private var readiness: Reply {
        if isDraining.load(ordering: .relaxed) { return .problem(.draining) }
        return segments.allSatisfy(\.isAttached) ? .response(.ok, ready) : .problem(.unattached)
    }
}

extension Response {
    /// A line for a probe, which no cache may keep.
    fileprivate static func probe(_ line: String) -> Response {
        let response = Response(Array("\(line)\n".utf8))
        response.add(.contentType, "text/plain; charset=utf-8")
        response.add(.cacheControl, "no-store")
        return response
    }
}

extension Reply {
    /// A stream that says why it ends at once.
    ///
    /// A browser's `EventSource` then connects again; it would give up for good on any status other than 200.
    fileprivate static func endedStream(_ problem: Problem) -> Reply {
        .last(EventChunk.head(date: Clock.realtimeSeconds) + Array("retry: 3000\n: \(problem.detail)\n\n".utf8))
    }

    fileprivate static func methods(_ methods: AllowedMethods) -> Reply {
        let response = Response()
        response.add(.allow, methods.rawValue)
        return .response(.noContent, response)
    }
}

// MARK: Requests that are held

extension Service {
    /// - Returns: nil if the request is to be answered now.
    private func hold(_ pending: PendingRequest, _ request: Request) -> Reply? {
        switch pending.action {
        case .poll(let segment, let seconds):
            guard !pending.wasHeld, let version = segments[segment].versionAwaited(by: pending.conditions)
            else { return nil }
            let deadline = Clock.coarseMilliseconds + seconds * 1000
            return subscribe(pending, orElse: Reply.problem) {
                Subscriber($0, segment, .poll(deadline: deadline), version)
            }
        case .stream(let segment, let version):
            // Once resumed, all of the response has been sent.
            if pending.wasHeld { return .close }
            guard segments[segment].isAttached else { return .endedStream(.unattached) }
            let isChunked = !request.isHTTP10
            return subscribe(pending, orElse: Reply.endedStream) {
                Subscriber($0, segment, .stream(isChunked: isChunked), version)
            }
        default: return nil
        }
    }

    private func subscribe(
        _ pending: PendingRequest, orElse refuse: (Problem) -> Reply, _ make: @escaping (HeldConnection) -> Subscriber
    ) -> Reply? {
        switch hub.admit() {
        case .admitted:
            pending.wasHeld = true
            return .hold { [hub] in hub.add(make($0)) }
        case .full: return refuse(.unavailable("The server has as many subscribers as it allows. Try again later."))
        case .closing: return nil
        }
    }
}
