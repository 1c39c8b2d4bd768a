import HTTPClient
import LinuxSystem
import SharedMemory

/// Asks, over a connection of its own, whether the adopted version is still the current one.
struct UpstreamCheck {
    private let upstream: Upstream
    private let replica: Replica
    private var connection: HTTPConnection?
    var lag = StreamLag()

    private static let timeoutMilliseconds = 1000

    init(_ upstream: Upstream, _ replica: Replica) { (self.upstream, self.replica) = (upstream, replica) }

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
            return lag.expect(version)
        }
        lag.expectNothing()
        replica.connected(via: response["via"] ?? "", Upstream.order(response))
        // A server that follows another one says how old its text is, and nothing if it does not know.
        if response["via"] == nil || isConsistent {
            replica.confirm(at: moment)
        } else if let age = response["age"].flatMap({ Int($0) }), age >= 0 {
            replica.confirm(at: moment - age * 1000)
        }
    }

    private mutating func exchange(_ request: HTTPRequest) throws(FollowEnd) -> HTTPResponse {
        // A server ends a connection that was idle for long: then once more.
        if let connection, connection.isOpen {
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
