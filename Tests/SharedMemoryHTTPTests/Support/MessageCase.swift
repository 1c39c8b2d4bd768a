import Testing

/// A message as its client sends it, and what becomes of it.
struct MessageCase<Outcome: Sendable>: CustomTestStringConvertible {
    let testDescription: String
    let request: [UInt8]
    let outcome: Outcome

    init(_ name: String, _ request: String, _ outcome: Outcome) { self.init(name, Array(request.utf8), outcome) }

    init(_ name: String, _ request: [UInt8], _ outcome: Outcome) {
        (testDescription, self.request, self.outcome) = (name, request, outcome)
    }
}
