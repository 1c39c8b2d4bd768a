/// What a request's `Authorization` amounts to.
package enum Authorization: Equatable, Sendable {
    /// The request has no bearer token.
    case missing
    /// The token is none of the server's.
    case wrong
    /// By the token of this index; nil if no token is required.
    case granted(token: Int?)
}

/// A secret that a request can present as `Authorization: Bearer TOKEN`.
package struct BearerToken: Hashable, Sendable {
    private let bytes: [UInt8]

    /// Nil unless `text` is what a header can carry: visible ASCII, at least one character.
    package init?(_ text: String) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        bytes = Array(text.utf8)
    }

    /// Compares in a time that depends only on the length of the guess, not on how much of it is right.
    func equals(_ guess: Span<UInt8>) -> Bool {
        var difference = guess.count ^ bytes.count
        for index in guess.indices { difference |= Int(guess[index] ^ bytes[index % bytes.count]) }
        return difference == 0
    }
}

/// The requests that one address of the server accepts.
package final class AccessPolicy: Sendable {
    /// None if no token is required.
    private let tokens: [BearerToken]
    /// What a request without a token amounts to.
    let defaultAuthorization: Authorization
    /// Nil if a request may name any host.
    private let hosts: AllowedHosts?

    package init(tokens: [BearerToken] = [], hosts: AllowedHosts? = nil) {
        self.tokens = tokens
        defaultAuthorization = tokens.isEmpty ? .granted(token: nil) : .missing
        self.hosts = hosts
    }

    func authorize(_ value: Span<UInt8>) -> Authorization {
        if tokens.isEmpty { return defaultAuthorization }
        guard let space = value.firstIndex(of: UInt8(ascii: " ")),
            value.extracting(0..<space).equalsIgnoringCase("bearer")
        else { return .missing }
        let guess = value.extracting(value.trimmed(space..<value.count))
        var match: Int?
        // The guess is compared with every token, whichever it is: the time tells nothing of them but their number.
        for index in tokens.indices where tokens[index].equals(guess) { match = index }
        return match.map { .granted(token: $0) } ?? .wrong
    }

    package func allows(host: Span<UInt8>) -> Bool { hosts?.contains(host) ?? true }
}
