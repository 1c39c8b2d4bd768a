/// What a request's `Authorization` comes to.
enum Authorization {
    /// There is none, or not of this kind: 401.
    case none
    /// 403.
    case wrong
    case right
}

/// The secret that a request must show, as `Authorization: Bearer TOKEN`.
struct Token: Sendable {
    private let bytes: [UInt8]

    /// Nil unless `text` is what a field can carry: visible ASCII, at least one character.
    init?(_ text: String) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        bytes = Array(text.utf8)
    }

    func judge(_ value: Span<UInt8>) -> Authorization {
        guard let space = value.firstIndex(of: UInt8(ascii: " ")),
            value.extracting(0..<space).equalsIgnoringCase("bearer")
        else { return .none }
        return equals(value.extracting(value.trimmed(space..<value.count))) ? .right : .wrong
    }

    /// Takes as long for any guess of the same length, however much of it is right.
    private func equals(_ guess: Span<UInt8>) -> Bool {
        var difference = guess.count ^ bytes.count
        for index in guess.indices { difference |= Int(guess[index] ^ bytes[index % bytes.count]) }
        return difference == 0
    }
}
