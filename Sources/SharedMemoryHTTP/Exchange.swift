/// A request that is more than a GET without a body, between MHD's calls.
///
/// All calls for a request come from one thread.
final class Exchange {
    private(set) var outcome: Outcome
    private var body: [UInt8] = []
    private let capacity: Int
    private var byteCount = 0

    /// What the end of the request will bring.
    enum Outcome {
        case read(Route, isConditional: Bool)
        case set(segment: Int, isConditional: Bool)
        case options(AllowedMethods)
        case problem(Problem)
    }

    /// A body that is of no use is read nevertheless, up to here: a client that is still sending
    /// would not see an answer, only its connection break.
    static let drainByteCount = 16 << 20

    init(_ outcome: Outcome, capacity: Int = 0) {
        self.outcome = outcome
        self.capacity = capacity
    }

    /// Shows what has come of the body, whole at the end.
    func withText<Result>(_ read: (RawSpan) -> Result) -> Result {
        let text = body
        return read(unsafe text.span.bytes)
    }

    /// Takes a piece of the body.
    ///
    /// It is kept as it comes, whatever length was announced, and never more than the capacity.
    ///
    /// - Returns: false when there has been enough of it.
    func receive(_ bytes: RawSpan) -> Bool {
        byteCount += bytes.byteCount
        if case .set = outcome {
            if byteCount <= capacity {
                unsafe bytes.withUnsafeBytes { unsafe body.append(contentsOf: $0) }
                return true
            }
            body = []
            outcome = .problem(.tooLong(capacity: capacity))
        }
        return byteCount <= capacity + Self.drainByteCount
    }
}
