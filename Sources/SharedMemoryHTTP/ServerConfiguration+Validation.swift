import HTTPMessages

// What a server checks before it starts.

extension ServerConfiguration {
    /// - Returns: the token, ready for comparing.
    func validated() throws(ServerError) -> BearerToken? {
        guard !segments.isEmpty else { throw .invalidConfiguration("There is no segment to serve: name one.") }
        guard Set(segments).count == segments.count else {
            throw .invalidConfiguration("A segment is named twice: name each once.")
        }
        guard !listen.isEmpty else { throw .invalidConfiguration("There is no address to listen on: give one.") }
        for (limit, least, what) in [
            (connectionLimit, 1, "connections"), (connectionLimitPerAddress, 0, "connections per client"),
            (threadCount, 1, "threads"), (headSeconds, 1, "seconds for a head"), (bodySeconds, 1, "seconds for a body"),
            (sendSeconds, 1, "seconds for an answer"), (idleSeconds, 1, "seconds of idleness"),
            (graceSeconds, 0, "seconds of grace"), (watcherLimit ?? 0, 0, "watchers"),
            (heartbeatSeconds, 1, "seconds between heartbeats"),
        ] where !(least...1_000_000).contains(limit) {
            throw .invalidConfiguration("\(limit) \(what) are not possible: use \(least) to 1000000.")
        }
        guard threadCount <= connectionLimit else {
            throw .invalidConfiguration(
                "\(threadCount) threads are more than \(connectionLimit) connections: use fewer threads.")
        }
        guard let token else {
            for case .tcp(let host, let port) in listen where !allowsAnonymous {
                guard try Listener.isLoopback(host: host, port: port) else {
                    throw .needsToken(.tcp(host: host, port: port))
                }
            }
            return nil
        }
        guard let comparable = BearerToken(token) else { throw .invalidToken }
        return comparable
    }
}

extension ServerConfiguration {
    func bytesInFlight(capacity: Int) throws(ServerError) -> Int {
        guard let limit = bytesInFlightLimit else { return max(256 << 20, 4 * capacity) }
        guard limit >= 2 * capacity else {
            throw .invalidConfiguration(
                "\(limit) bytes in flight are too few for texts of \(capacity): use at least \(2 * capacity).")
        }
        return limit
    }

    /// - Returns: nil for any.
    func hosts(at address: ListenAddress) throws(ServerError) -> AllowedHosts? {
        guard case .tcp(let host, let port) = address else { return nil }
        let isLoopback = try Listener.isLoopback(host: host, port: port)
        return isLoopback && token == nil || !allowedHosts.isEmpty ? AllowedHosts(allowedHosts) : nil
    }
}
