import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import SharedMemoryKeep
import Synchronization

/// Replies to the requests of one address: finds the resource, checks access, and lets the resource reply.
final class Service: Sendable {
    private let catalog: Catalog
    private let access: Mutex<Access>
    private let isReadOnly: Bool
    private let stalenessLimit: Int?
    /// Whether PUT and DELETE are answered only once the change is on disk.
    let keepsBeforeAnswering: Bool
    private let hub: SubscriptionHub
    private let maximumWaitSeconds: Int
    private let budget: ByteBudget
    private let metrics: Metrics
    private let log: ServerLog
    private let crossOrigins: CrossOrigins
    private let connectionCount: @Sendable () -> Int
    private let contract = Document.contract
    private let page = Document.page
    private let alive = Response.probe("alive")
    private let ready = Response.probe("ready")
    private let isDraining = Atomic<Bool>(false)

    init(
        _ catalog: Catalog, _ access: Access, _ hub: SubscriptionHub, _ budget: ByteBudget, _ metrics: Metrics,
        _ log: ServerLog, _ crossOrigins: CrossOrigins, connectionCount: @escaping @Sendable () -> Int,
        maximumWaitSeconds: Int, isReadOnly: Bool, keepsBeforeAnswering: Bool = false, stalenessLimit: Int? = nil
    ) {
        self.stalenessLimit = stalenessLimit
        self.budget = budget
        self.metrics = metrics
        self.log = log
        self.crossOrigins = crossOrigins
        self.connectionCount = connectionCount
        self.catalog = catalog
        self.access = Mutex(access)
        self.isReadOnly = isReadOnly
        self.keepsBeforeAnswering = keepsBeforeAnswering
        self.hub = hub
        self.maximumWaitSeconds = maximumWaitSeconds
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
        var route: RequestCounts.RouteLabel?
        var origin: RequestOrigin?
        let beginning = begin(request, target, isIntact, &route, &origin)
        if case .refuse(let reply) = beginning { count(reply, request, route ?? .other, origin) }
        return beginning
    }

    private func begin(
        _ request: Request, _ target: Span<UInt8>, _ isIntact: Bool, _ label: inout RequestCounts.RouteLabel?,
        _ origin: inout RequestOrigin?
    ) -> Beginning {
        let access = access.withLock { $0 }
        let head = request.head(access.policy, isIntact: isIntact)
        if head.requestID != nil || head.origin != nil { request.respond(with: fields(head)) }
        // Where the body ends is not known either.
        if let problem = head.framingProblem { return .refuse(.last(problem, to: request.method)) }
        guard request.headByteCount + head.recordByteCount <= Daemon.maximumHeadByteCount else {
            return .refuse(.last(.headTooLong(limit: Daemon.maximumHeadByteCount), to: request.method))
        }
        let route = catalog.route(target)
        label = route?.label
        let action =
            crossOrigins.isPreflight(head, request.method)
            ? .preflight(crossOrigins.preflight(allowed(route ?? .server)))
            : action(for: request, target, route, head, access)
        if log.logs(action) { origin = log.origin(request, head, token: access.clientName(request, head)) }
        let hasBody = head.hasBody
        if hasBody, !action.takesBody {
            // The client waits to be asked for the body.
            if head.expectsContinue, !isAnsweredLater(action) { return .refuse(reply(to: action, head.conditions)) }
            if head.contentLength > RequestBody.maximumDiscardedByteCount {
                return .refuse(.last(action.problem ?? .uselessBody, to: request.method))
            }
        }
        // A reply to the head ends the connection, which is what is wanted while the server drains.
        if !hasBody, !isAnsweredLater(action), isDraining.load(ordering: .relaxed) {
            return .refuse(reply(to: action, head.conditions))
        }
        let plain = origin == nil ? plainContext(action, head) : nil
        let context = plain ?? RequestContext(retaining: PendingRequest(action, head, label, origin))
        return .proceed(context, bodyLimit: hasBody ? action.bodyLimit : nil)
    }

    /// A plain GET or PUT, which most requests are, needs only its resource between libmicrohttpd's calls, and no object.
    private func plainContext(_ action: Action, _ head: RequestHead) -> RequestContext? {
        guard !head.conditions.isPresent, !head.isChunked else { return nil }
        return switch action {
        case .read(.segment(let resource)): RequestContext(plain: resource)
        case .put(let resource, _) where !isAnsweredLater(action): RequestContext(plain: resource)
        default: nil
        }
    }

    private func action(
        for request: Request, _ target: Span<UInt8>, _ route: Route?, _ head: RequestHead, _ access: Access
    ) -> Action {
        if head.hasUnknownExpectation { return .refuse(.unknownExpectation) }
        // Probes come by address, and the answers tell a page of another site nothing.
        if route?.isProbe != true {
            guard head.isForThisHost, isForThisHost(target, access) else { return .refuse(.unknownHost) }
        }
        guard let method = request.method else { return .refuse(.unknownMethod) }
        guard let route else { return .refuse(.notFound) }
        if route.isProtected {
            let problem = access.problem(request, head, needs: role(for: method, route), for: name(of: route))
            // The page contains no text, and asks for the token.
            if let problem { return isForPage(method, route, head) ? .read(.page) : .refuse(problem) }
        }
        switch route {
        case .segment(let resource): return action(on: resource, request, method, head, access)
        case .missing(let name): return action(onMissing: name, request, method, head, access)
        case .list: return list(request, method, head, access)
        case .server:
            return method == .options
                ? .listMethods(allowed(route)) : .refuse(.malformed("Only OPTIONS can have * as its target."))
        case .metrics:
            guard method == .get || method == .head else { return otherwise(method, route) }
            return .metrics(patterns: access.patterns(request, head), isOpenMetrics: head.acceptance.isOpenMetrics)
        case .page, .contract, .alive, .ready:
            return method == .get || method == .head ? .read(route) : otherwise(method, route)
        }
    }

    /// Whether a browser is to be shown the page.
    private func isForPage(_ method: Method, _ route: Route, _ head: RequestHead) -> Bool {
        (method == .get || method == .head) && route.hasPage && head.acceptance.form == .page
    }

    private func allowed(_ route: Route) -> AllowedMethods {
        route.allowed(isReadOnly: isReadOnly, isDynamic: catalog.directory != nil)
    }

    /// The role that a request needs.
    private func role(for method: Method, _ route: Route) -> AccessToken.Role {
        switch (method, route) {
        case (.put, .missing) where catalog.directory != nil: .admin
        case (.delete, _): .admin
        case (.put, _): .write
        default: .read
        }
    }

    /// Nil for the list, of which a client sees what it may.
    private func name(of route: Route) -> String? {
        switch route {
        case .segment(let resource): resource.name
        case .missing(let name): name
        case .list, .metrics, .page, .contract, .alive, .ready, .server: nil
        }
    }

    /// - Parameter role: the client's; of the resource's methods, `OPTIONS` lists those that it permits.
    private func otherwise(_ method: Method, _ route: Route, _ role: AccessToken.Role = .admin) -> Action {
        guard method == .options else { return .refuse(.methodNotAllowed(allowed(route))) }
        let isPermitted = { self.role(for: $0, route) <= role }
        return .listMethods(
            allowed(route) == .readWriteAndDelete && isPermitted(.delete)
                ? .readWriteAndDelete : allowed(route) != .read && isPermitted(.put) ? .readAndWrite : .read)
    }

    private func action(
        on resource: SegmentResource, _ request: Request, _ method: Method, _ head: RequestHead, _ access: Access
    ) -> Action {
        switch method {
        case .get, .head:
            switch head.acceptance.form {
            case .text: break
            case .eventStream: return method == .get ? stream(.text(resource), head) : .streamHead
            case .page: return .read(.page)
            }
            if let asked = request.versionAskedFor, let action = readKept(resource, asked) { return action }
            if head.hasMalformedWait { return .refuse(.malformedWait) }
            if let following = resource.following, head.wantsConsistency {
                return following.isLoop(head) ? .refuse(.loop) : .readConsistently(resource)
            }
            guard head.conditions.hasIfNoneMatch, let seconds = head.waitSeconds, seconds > 0
            else { return .read(.segment(resource)) }
            // A client that left the quotes out would never be held, and ask again and again.
            if let header = head.conditions.malformedHeader { return .refuse(.malformedEntityTag(in: header)) }
            return .poll(resource, seconds: min(seconds, maximumWaitSeconds))
        case .put where !isReadOnly: return put(resource, head)
        case .delete where !isReadOnly:
            guard let directory = catalog.directory else { break }
            if let header = head.conditions.malformedHeader { return .refuse(.malformedEntityTag(in: header)) }
            return .delete(resource, from: directory)
        default: break
        }
        return otherwise(method, .segment(resource), access.role(request, head))
    }

    private func action(
        onMissing name: String, _ request: Request, _ method: Method, _ head: RequestHead, _ access: Access
    ) -> Action {
        if isForPage(method, .missing(name: name), head) { return .read(.page) }
        guard let directory = catalog.directory else {
            return .refuse(catalog.notServed(access.patterns(request, head)))
        }
        guard directory.allows(name) else { return .refuse(.invalidName) }
        switch method {
        case .put where !isReadOnly:
            if let problem = bodyProblem(head, capacity: directory.capacity) { return .refuse(problem) }
            return .create(name: name, in: directory)
        case .delete where !isReadOnly && head.conditions.hasIfMatch: return .refuse(.noSegmentToMatch)
        case .get, .head: return .refuse(.noSegment)
        case .delete where !isReadOnly: return .refuse(.noSegment)
        default: return otherwise(method, .missing(name: name), access.role(request, head))
        }
    }

    private func list(_ request: Request, _ method: Method, _ head: RequestHead, _ access: Access) -> Action {
        switch method {
        case .get where head.acceptance.form == .page, .head where head.acceptance.form == .page: .read(.page)
        case .get where head.acceptance.isEventStream: stream(.list(patterns: access.patterns(request, head)), head)
        case .head where head.acceptance.isEventStream: .streamHead
        case .get, .head: .list(patterns: access.patterns(request, head))
        default: otherwise(method, .list)
        }
    }

    private func stream(_ source: Subscriber.Source, _ head: RequestHead) -> Action {
        if head.hasBody { return .refuse(.malformed("A request for an event stream cannot have a body.")) }
        return .stream(source, after: head.lastEventID.flatMap { Version($0) })
    }

    private func put(_ resource: SegmentResource, _ head: RequestHead) -> Action {
        let capacity = resource.capacity
        if let problem = bodyProblem(head, capacity: capacity) { return .refuse(problem) }
        guard let capacity else { return .refuse(resource.absenceForSetting) }
        if resource.following?.isLoop(head) == true { return .refuse(.loop) }
        if head.expectsContinue, let problem = resource.refusal(head.conditions) { return .refuse(problem) }
        return .put(resource, capacity: capacity)
    }

    /// Why the body that is announced cannot become the text.
    private func bodyProblem(_ head: RequestHead, capacity: Int?) -> Problem? {
        if let problem = head.contentProblem { return problem }
        if head.hasNoLength { return .noLength }
        if let header = head.conditions.malformedHeader { return .malformedEntityTag(in: header) }
        guard let capacity, head.contentLength > capacity else { return nil }
        return .tooLong(capacity: capacity)
    }

    /// A target that names a host overrides `Host`.
    private func isForThisHost(_ target: Span<UInt8>, _ access: Access) -> Bool {
        guard let authority = Catalog.authority(target) else { return true }
        return access.policy.allows(host: target.extracting(authority))
    }
}

// MARK: The body and the reply

extension Service {
    func finish(_ request: Request, _ context: RequestContext, _ body: RequestBody) -> Reply {
        if let resource = context.plain(SegmentResource.self) {
            let reply = request.method == .put ? resource.put(body) : resource.read()
            count(reply, request, .text, nil)
            return isDraining.load(ordering: .relaxed) ? reply.endingConnection : reply
        }
        let pending = context.object(PendingRequest.self)
        let reply =
            hold(pending, request, body)
            ?? self.reply(to: pending.action, pending.conditions, body, pending.origin)
        count(reply, request, pending.route, pending.origin)
        // libmicrohttpd reads the lines between chunks more leniently than other servers: what follows the last chunk may
        // not be a request.
        return pending.isChunked || isDraining.load(ordering: .relaxed) ? reply.endingConnection : reply
    }

    func refuse(_ fault: RequestBody.Fault, _ request: Request, _ context: RequestContext) -> Reply {
        let reply = Reply.last(.bodyNotKept(fault))
        let pending = context.plain(SegmentResource.self) == nil ? context.object(PendingRequest.self) : nil
        count(reply, request, pending?.route ?? .text, pending?.origin)
        return reply
    }

    /// Counts a request that has its reply, and logs it.
    private func count(
        _ reply: Reply, _ request: Request, _ route: RequestCounts.RouteLabel, _ origin: RequestOrigin?
    ) {
        guard let status = reply.status else { return }
        let method = RequestCounts.MethodLabel(request.method)
        metrics.requests.count(method, route, status)
        if let origin {
            log.access(
                method, request.decodedTarget, status, byteCount: method == .head ? 0 : reply.byteCount,
                nanoseconds: Clock.monotonicNanoseconds - request.arrivalNanoseconds, origin)
        }
    }

    /// Fields that depend on the request alone.
    private func fields(_ head: RequestHead) -> [ResponseField] {
        (head.requestID.map { [ResponseField(.requestID, $0)] } ?? []) + crossOrigins.fields(head)
    }

    /// - Parameter body: nil if nothing has been read, as there is no body or it does not matter.
    private func reply(
        to action: Action, _ conditions: Conditions, _ body: RequestBody? = nil, _ origin: RequestOrigin? = nil
    ) -> Reply {
        switch action {
        case .put(let resource, _):
            if let body {
                resource.put(body, conditions, origin)
            } else {
                resource.set(Span(), conditions, origin).reply
            }
        case .create(let name, let directory):
            if let body {
                directory.create(name, body, conditions, origin).reply
            } else {
                directory.create(name, Span(), conditions, origin).reply
            }
        case .delete(let resource, let directory): delete(resource, directory, conditions, origin)
        case .preflight(let fields): .preflight(fields)
        case .read(.segment(let resource)): resource.read(conditions)
        case .poll(let resource, let seconds): resource.read(conditions, waitSeconds: seconds)
        case .readKept: .problem(.draining)
        case .readConsistently(let resource): resource.read(conditions)
        case .list(let patterns): catalog.read(patterns, conditions, budget)
        case .metrics(let patterns, let isOpenMetrics):
            metricsPage(patterns, isOpenMetrics ? .openMetrics : .prometheus)
        case .stream: .endedStream(.draining)
        case .streamHead: .last(.ok, EventChunk.head(date: Clock.realtimeSeconds))
        case .read(.page): page.read(conditions)
        case .read(.contract): contract.read(conditions)
        case .read(.ready): readiness
        case .read: .response(.ok, alive)
        case .listMethods(let methods): .methods(methods)
        case .refuse(let problem): .problem(problem)
        }
    }

    private var readiness: Reply {
        if isDraining.load(ordering: .relaxed) { return .problem(.draining) }
        return catalog.isReady(stalenessLimit: stalenessLimit) ? .response(.ok, ready) : .problem(.notReady)
    }

    private func metricsPage(_ patterns: [String], _ format: MetricsPage.Format) -> Reply {
        let response = Response(metrics.page(format, catalog, patterns, connections: connectionCount()))
        response.addDate()
        response.add(.contentType, format.contentType)
        response.add(.cacheControl, "no-store")
        response.add(.vary, "Accept, Authorization")
        return .response(.ok, response)
    }

    private func delete(
        _ resource: SegmentResource, _ directory: ServedDirectory, _ conditions: Conditions, _ origin: RequestOrigin?
    ) -> Reply {
        if let problem = directory.delete(resource, conditions, origin) { return .problem(problem) }
        directory.keeper?.remove(resource.name)
        return .response(.noContent, Response())
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
    static func endedStream(_ problem: Problem) -> Reply {
        .last(.ok, EventChunk.head(date: Clock.realtimeSeconds) + Array("retry: 3000\n: \(problem.detail)\n\n".utf8))
    }

    fileprivate static func preflight(_ fields: [ResponseField]) -> Reply {
        let response = Response()
        for field in fields { response.add(field.name, field.value) }
        return .response(.noContent, response)
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
    private func hold(_ pending: PendingRequest, _ request: Request, _ body: RequestBody) -> Reply? {
        switch pending.action {
        case .put(let resource, _) where resource.following != nil:
            guard let following = resource.following else { return nil }
            let reply = answerLater(pending) {
                if let fault = body.fault { return .problem(.bodyNotKept(fault)) }
                let text = body.withSpan { text in text.indices.map { text[$0] } }
                if let problem = Problem.checking(text) { return .problem(problem) }
                return following.hold(text, pending, $0)
            }
            if reply.status == .preconditionFailed { resource.counts.conflicts.add(1, ordering: .relaxed) }
            return reply
        case .readConsistently(let resource):
            guard let following = resource.following else { return nil }
            let isConfirmed = answerLater(pending) { following.holdUntilCurrent($0) }
            if case .response(.ok, _, _) = isConfirmed { return nil }
            return isConfirmed
        case .put(let resource, _) where keepsBeforeAnswering:
            guard let keeper = resource.keeper else { return nil }
            return answerLater(pending) {
                keeper.hold(resource.set(body, pending.conditions, pending.origin), of: resource.name, $0)
            }
        case .create(let name, let directory) where keepsBeforeAnswering:
            guard let keeper = directory.keeper else { return nil }
            return answerLater(pending) {
                keeper.hold(directory.create(name, body, pending.conditions, pending.origin), of: name, $0)
            }
        case .delete(let resource, let directory) where keepsBeforeAnswering:
            guard let keeper = directory.keeper else { return nil }
            return answerLater(pending) {
                directory.delete(resource, pending.conditions, pending.origin).map(Reply.problem)
                    ?? keeper.holdRemoval(of: resource.name, $0)
            }
        case .readKept(let resource, let version):
            return answerLater(pending) { resource.readKept(version, pending.conditions, $0) }
        case .poll(let resource, let seconds):
            guard !pending.wasHeld, let version = resource.versionAwaited(by: pending.conditions) else { return nil }
            let deadline = Clock.coarseMilliseconds + seconds * 1000
            return subscribe(pending, orElse: Reply.problem) {
                Subscriber($0, .text(resource), .poll(deadline: deadline), version)
            }
        case .stream(let source, let version):
            // Once resumed, all of the response has been sent.
            if pending.wasHeld { return .close }
            if case .text(let resource) = source, !resource.isAttached { return resource.refusedStream }
            let isChunked = !request.isHTTP10
            let admitted = subscribe(pending, orElse: Reply.endedStream) {
                Subscriber($0, source, .stream(isChunked: isChunked), version)
            }
            if case .hold = admitted {
                metrics.requests.count(.get, pending.route, .ok)
                if let origin = pending.origin {
                    log.access(.get, request.decodedTarget, .ok, byteCount: 0, nanoseconds: 0, origin)
                }
            }
            return admitted
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
