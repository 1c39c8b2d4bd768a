/// What a request's `Authorization` amounts to.
package enum Authorization: Sendable {
    /// The request has no bearer token: 401.
    case missing
    /// The token is not the server's: 403.
    case wrong
    case granted
}

/// The secret that a request must present as `Authorization: Bearer TOKEN`.
package struct BearerToken: Sendable {
    private let bytes: [UInt8]

    /// Nil unless `text` is what a header can carry: visible ASCII, at least one character.
    package init?(_ text: String) {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        bytes = Array(text.utf8)
    }

    func judge(_ value: Span<UInt8>) -> Authorization {
        guard let space = value.firstIndex(of: UInt8(ascii: " ")),
            value.extracting(0..<space).equalsIgnoringCase("bearer")
        else { return .missing }
        let guess = value.extracting(value.trimmed(space..<value.count))
        // Compares in a time that depends only on the length of the guess, not on how much of it is right.
        var difference = guess.count ^ bytes.count
        for index in guess.indices { difference |= Int(guess[index] ^ bytes[index % bytes.count]) }
        return difference == 0 ? .granted : .wrong
    }
}

/// The requests that one address of the server accepts.
package final class AccessPolicy: Sendable {
    /// Nil if no token is required.
    private let token: BearerToken?
    /// What a request without a token amounts to.
    let defaultAuthorization: Authorization
    /// Nil if a request may name any host.
    let hosts: AllowedHosts?

    package init(token: BearerToken?, hosts: AllowedHosts?) {
        self.token = token
        defaultAuthorization = token == nil ? .granted : .missing
        self.hosts = hosts
    }

    func authorize(_ value: Span<UInt8>) -> Authorization { token?.judge(value) ?? .granted }

    package func allows(host: Span<UInt8>) -> Bool { hosts?.contains(host) ?? true }
}
