import HTTPMessages
import SharedMemory

/// What a request asks for, decided from its head.
enum Action {
    case read(Route)
    /// Holds the request until the text changes, for a limited time.
    case poll(segment: Int, seconds: Int)
    /// Holds the request for as long as the client stays.
    case stream(segment: Int, after: Version?)
    /// The head of such a stream.
    case streamHead
    case put(segment: Int, capacity: Int)
    case listMethods(AllowedMethods)
    case refuse(Problem)

    var takesBody: Bool { if case .put = self { true } else { false } }

    var problem: Problem? { if case .refuse(let problem) = self { problem } else { nil } }

    /// How many bytes of a body to keep.
    var bodyLimit: Int { if case .put(_, let capacity) = self { capacity } else { 0 } }
}

/// A request other than a plain GET or PUT, between its head and its reply; all calls for it come from one thread.
final class PendingRequest {
    let action: Action
    let conditions: Conditions
    let isChunked: Bool
    /// Whether the request has been held before.
    var wasHeld = false

    init(_ action: Action, _ head: RequestHead) {
        self.action = action
        conditions = head.conditions
        isChunked = head.isChunked
    }
}
