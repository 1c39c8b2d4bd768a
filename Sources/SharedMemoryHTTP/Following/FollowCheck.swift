import HTTPClient
import LinuxSystem
import SharedMemory

/// Asks, over a connection of its own, whether the adopted version is still the current one.
struct FollowCheck {
    private let upstream: Upstream
    private let replica: Replica
    private let lagMilliseconds: Int
    private var connection: HTTPConnection?
    /// A version that the server has shown and the stream has yet to bring, and until when.
    private var expected: (version: Version, deadline: Int)?

    private static let timeoutMilliseconds = 1000

    /// - Parameter lagMilliseconds: how long the stream may be behind.
    init(_ upstream: Upstream, _ replica: Replica, lagMilliseconds: Int) {
        (self.upstream, self.replica, self.lagMilliseconds) = (upstream, replica, lagMilliseconds)
    }

    mutating func perform() throws(FollowEnd) {
        guard let known = replica.known else { throw .again }
        var request = upstream.request("HEAD", replica.name)
        request.add("If-None-Match", "\"\(known)\"")
        let isConsistent = replica.isAwaited
        if isConsistent { request.add("Prefer", "consistent") }
        let moment = Clock.boottimeMilliseconds
        let response = try exchange(request)
        let version = try upstream.version(in: response)
        guard version == known else {
            if expected?.version != version {
                expected = (version, Clock.coarseMilliseconds + lagMilliseconds)
            }
            return
        }
        expected = nil
        replica.connected(via: response["via"] ?? "")
        // A server that follows another one says how old its text is, and nothing if it does not know.
        if response["via"] == nil || isConsistent {
            replica.confirm(at: moment)
        } else if let age = response["age"].flatMap({ Int($0) }) {
            replica.confirm(at: moment - age * 1000)
        }
    }

    /// Ends what the stream does not bring in time.
    func endIfLate() throws(FollowEnd) {
        guard let expected, Clock.coarseMilliseconds >= expected.deadline else { return }
        if replica.known == expected.version || replica.known?.follows(expected.version) == true { return }
        throw .again
    }

    private mutating func exchange(_ request: HTTPRequest) throws(FollowEnd) -> HTTPResponse {
        // A server ends a connection that was idle for long: then once more.
        if let connection, connection.isReusable {
            connection.limits.renew(timeoutMilliseconds: Self.timeoutMilliseconds)
            if let response = try? connection.exchange(request) { return response }
        }
        let limits = ClientLimits(timeoutMilliseconds: Self.timeoutMilliseconds)
        return try FollowEnd.from { () throws(HTTPFault) in
            let connection = try upstream.connect(limits)
            self.connection = connection
            return try connection.exchange(request)
        }
    }
}
