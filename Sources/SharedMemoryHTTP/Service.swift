import LinuxSystem
import SharedMemory
import Synchronization

/// Answers the requests of one address: which resource, whether it may be, and what then.
final class Service: Sendable {
    private let routes: Routes
    private let segments: [SegmentResource]
    private let token: Token?
    /// Nil for any.
    private let hosts: AllowedHosts?
    private let budget: ByteBudget
    private let watches: Watches
    private let contract = Document.contract()
    private let alive = Document.probe("alive")
    private let ready = Document.probe("ready")
    private let isDraining = Atomic<Bool>(false)

    init(
        _ segments: [SegmentResource], _ token: Token?, _ hosts: AllowedHosts?, _ budget: ByteBudget,
        _ watches: Watches
    ) {
        self.segments = segments
        self.token = token
        self.hosts = hosts
        self.budget = budget
        self.watches = watches
        routes = Routes(segments.map(\.name))
    }

    /// From now on each answer ends its connection, and the server is no longer ready.
    func drain() { isDraining.store(true, ordering: .relaxed) }
}

// MARK: When the head has come

extension Service: RequestHandler {
    func begin(_ request: Request, isAsSent: Bool) -> RequestContext? {
        let head = RequestHead(request, isAsSent: isAsSent, token, hosts)
        if let problem = head.framingProblem { return answerNow(request, .problem(problem)) }
        let outcome = outcome(of: request, head)
        if !head.hasBody {
            // An answer to the first call ends the connection: now that is wanted.
            if isDraining.load(ordering: .relaxed) { return answerNow(request, outcome) }
            if let read = PlainRead(outcome) { return RequestContext(read.number) }
        } else if !outcome.takesBody, !isWorthReading(head) {
            return answerNow(request, outcome)
        }
        return RequestContext(retaining: Exchange(outcome, isChunked: head.isChunked, budget))
    }

    private func answerNow(_ request: Request, _ outcome: Exchange.Outcome) -> RequestContext? {
        answer(request, outcome, RawSpan()) ? RequestContext.none : nil
    }

    /// Whether a body that is of no use is read to its end, and its connection kept: not one that waits
    /// to be asked for, nor one that is too much.
    private func isWorthReading(_ head: RequestHead) -> Bool {
        !head.expectsContinue && head.contentLength <= Exchange.drainByteCount
    }

    private func outcome(of request: Request, _ head: RequestHead) -> Exchange.Outcome {
        if head.hasUnknownExpectation { return .problem(.unknownExpectation) }
        guard head.isForThisHost, request.withTarget({ isForThisHost($0) }) else { return .problem(.unknownHost) }
        guard let method = request.method else { return .problem(.unknownMethod) }
        guard let route = request.withTarget({ routes.route($0) }) else { return .problem(.notFound) }
        if route.isProtected {
            switch token == nil ? .right : head.authorization {
            case .right: break
            case .none: return .problem(.noToken)
            case .wrong: return .problem(.wrongToken)
            }
        }
        switch (method, route) {
        case (.options, _): return .options(route.allowed)
        case (.get, .segment(let segment)) where head.acceptance.isEventStream:
            if head.hasBody { return .problem(.malformed("A request for events has no body.")) }
            return .stream(segment: segment, version: head.lastEventID)
        case (.get, .segment(let segment)), (.head, .segment(let segment)):
            guard head.hasIfNoneMatch, let seconds = head.waitSeconds, seconds > 0 else {
                return .read(route, isConditional: head.hasConditions)
            }
            return .poll(segment: segment, seconds: min(seconds, Self.longestPollSeconds))
        case (.get, _) where route != .server, (.head, _) where route != .server:
            return .read(route, isConditional: head.hasConditions)
        case (.put, .segment(let segment)):
            if let problem = head.contentProblem { return .problem(problem) }
            if head.hasConditions, !Preconditions.areWellFormed(request) {
                return .problem(.malformed("An entity tag in If-Match or If-None-Match is not one."))
            }
            guard let capacity = segments[segment].capacity else { return .problem(.unattached) }
            guard head.contentLength <= capacity else { return .problem(.tooLong(capacity: capacity)) }
            return .set(segment: segment, capacity: capacity, isConditional: head.hasConditions)
        default: return .problem(.methodNotAllowed(route.allowed))
        }
    }
}

extension Service {
    /// A target with a host of its own overrides Host.
    private func isForThisHost(_ target: Span<UInt8>) -> Bool {
        guard let hosts, let authority = Routes.authority(target) else { return true }
        return hosts.contains(target.extracting(authority))
    }
}

/// What most requests are: between MHD's calls a number, and no object.
private struct PlainRead {
    let segment: Int
    let isConditional: Bool

    init?(_ outcome: Exchange.Outcome) {
        guard case .read(.segment(let segment), let isConditional) = outcome else { return nil }
        self.segment = segment
        self.isConditional = isConditional
    }

    init(number: UInt32) {
        segment = Int(number >> 1)
        isConditional = number & 1 == 1
    }

    var number: UInt32 { UInt32(segment) << 1 | (isConditional ? 1 : 0) }
}

// MARK: The body, and the answer

extension Service {
    func receive(_ bytes: RawSpan, _ context: RequestContext) -> Bool {
        guard context.number == nil else { return true }
        return context.object(Exchange.self).receive(bytes)
    }

    func finish(_ request: Request, _ context: RequestContext) -> Bool {
        if let number = context.number {
            let read = PlainRead(number: number)
            return segments[read.segment].read(request, isConditional: read.isConditional)
        }
        let exchange = context.object(Exchange.self)
        // MHD reads the lines between chunks more leniently than others: what follows the last one may not be a request.
        if exchange.isChunked, !request.endConnection() { return false }
        if let isHeld = hold(request, exchange) { return isHeld }
        return exchange.withText { answer(request, exchange.outcome, $0) }
    }

    private func answer(_ request: Request, _ outcome: Exchange.Outcome, _ text: RawSpan) -> Bool {
        switch outcome {
        case .poll(let segment, let seconds):
            return segments[segment].read(request, isConditional: true, waitSeconds: seconds)
        case .stream: return request.answer(.draining)
        case .set(let segment, _, let isConditional):
            return segments[segment].set(request, text, isConditional: isConditional)
        case .read(.segment(let segment), let isConditional):
            return segments[segment].read(request, isConditional: isConditional)
        case .read(.contract, let isConditional): return contract.read(request, isConditional: isConditional)
        case .read(.ready, _): return answerReady(request)
        case .read: return alive.read(request, isConditional: false)
        case .options(let allowed): return answerOptions(request, allowed)
        case .problem(let problem): return request.answer(problem)
        }
    }

    private func answerReady(_ request: Request) -> Bool {
        if isDraining.load(ordering: .relaxed) { return request.answer(.draining) }
        guard segments.allSatisfy(\.isAttached) else { return request.answer(.unattached) }
        return ready.read(request, isConditional: false)
    }

    private func answerOptions(_ request: Request, _ allowed: AllowedMethods) -> Bool {
        let response = Response()
        response.add(.allow, allowed.rawValue)
        return request.answer(.noContent, response)
    }
}

// MARK: Requests that are held

extension Service {
    static let longestPollSeconds = 300

    /// - Returns: nil when the request is to be answered, and otherwise what to tell MHD.
    private func hold(_ request: Request, _ exchange: Exchange) -> Bool? {
        switch exchange.outcome {
        case .poll(let segment, let seconds):
            guard !exchange.wasHeld, let version = segments[segment].versionKnown(to: request) else { return nil }
            return hold(request, exchange) { connection in
                Watches.Arrival(
                    connection: connection, segment: segment, form: .poll, version: version,
                    deadline: Clock.coarseMilliseconds + seconds * 1000)
            }
        case .stream(let segment, let version):
            // When it is let go, all of the answer is sent: the connection ends.
            guard !exchange.wasHeld else { return false }
            guard segments[segment].isAttached else { return request.answer(.unattached) }
            return hold(request, exchange) { connection in
                Watches.Arrival(
                    connection: connection, segment: segment, form: .stream(isChunked: !request.isHTTP10),
                    version: version, deadline: .max)
            }
        default: return nil
        }
    }

    private func hold(
        _ request: Request, _ exchange: Exchange, _ arrival: (HeldConnection) -> Watches.Arrival
    ) -> Bool? {
        switch watches.admit() {
        case .admitted:
            exchange.wasHeld = true
            watches.add(arrival(request.hold()))
            return true
        case .full: return request.answer(.tooManyWatches)
        case .ending: return nil
        }
    }
}
