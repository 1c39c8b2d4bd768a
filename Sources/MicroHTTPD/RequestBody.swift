import Synchronization

/// The body of a request while it is received, counted in a budget.
package struct RequestBody: ~Copyable {
    private var bytes: [UInt8] = []
    private let budget: ByteBudget

    package init(_ budget: ByteBudget) { self.budget = budget }

    deinit { budget.giveBack(bytes.count) }

    package var byteCount: Int { bytes.count }

    /// - Returns: false if the budget does not have that much left; then nothing is appended.
    package mutating func append(_ piece: RawSpan) -> Bool {
        guard budget.take(piece.byteCount) else { return false }
        unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        return true
    }

    package mutating func removeAll() {
        budget.giveBack(bytes.count)
        bytes = []
    }

    package func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result { body(bytes.span) }
}
