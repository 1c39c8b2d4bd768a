import HTTPClient
import HTTPMessages
import SharedMemory
import Synchronization

/// The servers that this one follows, of which one is the current one.
final class Upstream: Sendable {
    private let urls: [ServerURL]
    private let identity: ClientIdentity
    /// The name of this server in `Via`, by which servers notice that they follow each other.
    let ownName: String
    private let index = Atomic(0)

    init(_ urls: [ServerURL], _ identity: ClientIdentity, ownName: String) {
        (self.urls, self.identity, self.ownName) = (urls, identity, ownName)
    }

    var current: ServerURL { urls[index.load(ordering: .relaxed) % urls.count] }

    func advance() { index.add(1, ordering: .relaxed) }

    /// Connects to a server.
    ///
    /// - Parameter offset: how many servers after the current one.
    func connect(_ limits: ClientLimits, offset: Int = 0) throws(HTTPFault) -> HTTPConnection {
        try HTTPConnection(to: urls[(index.load(ordering: .relaxed) + offset) % urls.count], limits, identity)
    }

    /// - Parameter via: how the request came to this server; empty if it began here.
    func request(_ method: String, _ name: String, via: String = "") -> HTTPRequest {
        var request = HTTPRequest(method, "/shared/\(name)")
        request.add("Via", via.isEmpty ? "1.1 \(ownName)" : "\(via), 1.1 \(ownName)")
        return request
    }

    /// The version that a response is about.
    ///
    /// - Throws: if no server that can be followed would answer so.
    func version(in response: HTTPResponse) throws(FollowEnd) -> Version {
        guard response.status == 200 || response.status == 304 else {
            throw FollowEnd(reason: "answers with status \(response.status)")
        }
        if response["via"]?.contains(ownName) == true { throw FollowEnd(reason: "follows this server, in a loop") }
        guard let version = Self.version(response) else {
            throw FollowEnd(reason: "answers without a version, so it is not a sharedmem server")
        }
        return version
    }

    static func order(_ response: HTTPResponse) -> VersionOrder {
        response["sharedmem-version-order"].flatMap(VersionOrder.init) ?? .instance
    }

    /// The version in the `ETag`.
    static func version(_ response: HTTPResponse) -> Version? { response.entityTag.flatMap(Version.init) }
}
