import HTTPMessages
import MicroHTTPD
import SharedMemory

/// What a request asks for, decided from its head.
enum Action {
    case read(Route)
    /// Holds the request until the text changes, for a limited time.
    case poll(segment: Int, seconds: Int)
    /// Holds the request for as long as the client stays.
    case stream(segment: Int, after: Version?)
    case put(segment: Int, capacity: Int)
    case listMethods(AllowedMethods)
    case refuse(Problem)

    var takesBody: Bool { if case .put = self { true } else { false } }
}

/// A request other than a plain GET, between the arrival of its head and its reply.
///
/// All calls for a request come from one thread.
final class PendingRequest {
    private(set) var action: Action
    let conditions: Conditions
    let isChunked: Bool
    /// Whether the request has been held before.
    var wasHeld = false
    private var body: RequestBody
    private var drainedByteCount = 0

    /// How much of a useless body is read nevertheless: a client that is still sending would not see a response, only its
    /// connection break.
    static let maximumDrainedByteCount = 16 << 20

    init(_ action: Action, _ head: RequestHead, _ budget: ByteBudget) {
        self.action = action
        conditions = head.conditions
        isChunked = head.isChunked
        body = RequestBody(budget)
    }

    func withBody<Result>(_ read: (Span<UInt8>) -> Result) -> Result { body.withSpan(read) }

    /// Takes a piece of the body.
    ///
    /// Whatever length was announced, no more is kept than has arrived, and never more than the capacity.
    ///
    /// - Returns: false if enough of a useless body has been read.
    func receive(_ bytes: RawSpan) -> Bool {
        if case .put(_, let capacity) = action {
            if body.byteCount + bytes.byteCount > capacity {
                refuse(.tooLong(capacity: capacity))
            } else if body.append(bytes) {
                return true
            } else {
                refuse(.tooMuchInFlight)
            }
        }
        drainedByteCount += bytes.byteCount
        return drainedByteCount <= Self.maximumDrainedByteCount
    }

    private func refuse(_ problem: Problem) {
        body.removeAll()
        action = .refuse(problem)
    }
}
