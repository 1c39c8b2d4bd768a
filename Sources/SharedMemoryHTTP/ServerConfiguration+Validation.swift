import HTTPMessages

extension ServerConfiguration {
    /// Checks what can be checked before a server starts, and returns the token, ready for comparing.
    func validated() throws(ServerError) -> BearerToken? {
        guard !segments.isEmpty else { throw .invalidConfiguration("There is no segment to serve: name one.") }
        guard Set(segments).count == segments.count else {
            throw .invalidConfiguration("A segment is named twice: name each once.")
        }
        guard !listen.isEmpty else { throw .invalidConfiguration("There is no address to listen on: give one.") }
        for option in ServerOption.all { try option.check(self) }
        guard threadCount <= connectionLimit else {
            throw .invalidOption(
                name: ServerOption.threads.name,
                problem: "is \(threadCount), more than the limit of \(connectionLimit) connections: use fewer threads.")
        }
        if let token {
            guard let comparable = BearerToken(token) else { throw .invalidToken }
            return comparable
        }
        for address in listen where !allowsAnonymous {
            guard try Listener.isLoopback(address) else { throw .needsToken(address) }
        }
        return nil
    }

    static let defaultBytesInFlight = 256 << 20

    /// The limit for segments of which the largest has this capacity.
    func bytesInFlight(capacity: Int) throws(ServerError) -> Int {
        guard let limit = bytesInFlightLimit else { return max(Self.defaultBytesInFlight, 4 * capacity) }
        guard limit >= 2 * capacity else {
            throw .invalidOption(
                name: ServerOption.bytesInFlight.name,
                problem: "is \(limit), too little for a capacity of \(capacity): use at least \(2 * capacity).")
        }
        return limit
    }

    /// The host names that requests to an address may use; nil for any.
    func hosts(at address: ListenAddress) throws(ServerError) -> AllowedHosts? {
        guard case .tcp = address else { return nil }
        let isChecked = try Listener.isLoopback(address) && token == nil || !allowedHosts.isEmpty
        return isChecked ? AllowedHosts(allowedHosts) : nil
    }
}
