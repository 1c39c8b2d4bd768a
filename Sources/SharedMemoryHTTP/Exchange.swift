import SharedMemory

/// A request that is more than a GET without a body, between MHD's calls.
///
/// All calls for a request come from one thread.
final class Exchange {
    private(set) var outcome: Outcome
    let isChunked: Bool
    /// It has been held, and is let go.
    var wasHeld = false
    private let budget: ByteBudget
    /// As much of the budget is taken as it has bytes.
    private var body: [UInt8] = []
    private var drainedByteCount = 0

    /// What the end of the request will bring.
    enum Outcome {
        case read(Route, isConditional: Bool)
        /// Held until the text is another one than the client knows.
        case poll(segment: Int, seconds: Int)
        /// Held as long as the client stays.
        case stream(segment: Int, version: Version?)
        case set(segment: Int, capacity: Int, isConditional: Bool)
        case options(AllowedMethods)
        case problem(Problem)

        var takesBody: Bool { if case .set = self { true } else { false } }
    }

    /// A body that is of no use is read nevertheless, up to here: a client that is still sending
    /// would not see an answer, only its connection break.
    static let drainByteCount = 16 << 20

    init(_ outcome: Outcome, isChunked: Bool, _ budget: ByteBudget) {
        self.outcome = outcome
        self.isChunked = isChunked
        self.budget = budget
    }

    deinit { budget.giveBack(body.count) }

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
        if case .set(_, let capacity, _) = outcome {
            if let problem = take(bytes, capacity) { refuse(problem) } else { return true }
        }
        drainedByteCount += bytes.byteCount
        return drainedByteCount <= Self.drainByteCount
    }

    private func take(_ bytes: RawSpan, _ capacity: Int) -> Problem? {
        guard body.count + bytes.byteCount <= capacity else { return .tooLong(capacity: capacity) }
        guard budget.take(bytes.byteCount) else { return .tooMuchInFlight }
        unsafe bytes.withUnsafeBytes { unsafe body.append(contentsOf: $0) }
        return nil
    }

    private func refuse(_ problem: Problem) {
        budget.giveBack(body.count)
        body = []
        outcome = .problem(problem)
    }
}
