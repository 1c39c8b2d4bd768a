import HTTPMessages
import MicroHTTPD
import SharedMemory

/// What a request asks for, decided from its head.
enum Action {
    case read(Route)
    /// Reads the text once it is known to be current at the origin.
    case readConsistently(SegmentResource)
    /// Reads an older version of the text from disk.
    case readKept(SegmentResource, Version)
    /// The list of the segments that match one of the patterns; of all if there are none.
    case list(patterns: [String])
    case metrics(patterns: [String], isOpenMetrics: Bool)
    /// Holds the request until the text changes, for a limited time.
    case poll(SegmentResource, seconds: Int)
    /// Holds the request for as long as the client stays.
    case stream(Subscriber.Source, after: Version?)
    /// The head of such a stream.
    case streamHead
    case put(SegmentResource, capacity: Int)
    case create(name: String, in: ServedDirectory)
    case delete(SegmentResource, from: ServedDirectory)
    /// Which requests a page of another site may send.
    case preflight([ResponseField])
    case listMethods(AllowedMethods)
    case refuse(Problem)

    var takesBody: Bool {
        switch self {
        case .put, .create: true
        default: false
        }
    }

    var problem: Problem? { if case .refuse(let problem) = self { problem } else { nil } }

    /// How many bytes of a body to keep.
    var bodyLimit: Int {
        switch self {
        case .put(_, let capacity): capacity
        case .create(_, let directory): directory.capacity
        default: 0
        }
    }
}

/// A request other than a plain GET or PUT, between its head and its reply; all calls for it come from one thread.
final class PendingRequest {
    let action: Action
    let conditions: Conditions
    let isChunked: Bool
    let route: RequestCounts.RouteLabel
    /// For the log; nil if nothing about the request is logged.
    let origin: RequestOrigin?
    /// Whether the request has been held before.
    var wasHeld = false
    /// What the request is answered once the disk or another server is done with it; nil if it waits for neither.
    var awaitedAnswer: AwaitedAnswer?
    /// How the request came to this server.
    let via: String
    let idempotencyKey: String?

    init(_ action: Action, _ head: RequestHead, _ route: RequestCounts.RouteLabel?, _ origin: RequestOrigin?) {
        self.origin = origin
        self.route = route ?? .other
        self.action = action
        conditions = head.conditions
        via = head.via
        idempotencyKey = head.idempotencyKey
        isChunked = head.isChunked
    }
}
