import HTTPClient
import HTTPMessages
import LinuxSystem
import SharedMemory

/// The text of a name at a server.
struct RemoteText: Sendable {
    let server: ServerURL
    let name: String
    let identity: ClientIdentity

    /// For connecting and for the head of an answer, and then for each piece of its body.
    private static let timeoutMilliseconds = 10_000

    /// The text, its version, and when it was set.
    func read() throws -> VersionedText {
        let connection = try connect()
        let response = try exchange(request("GET"), over: connection)
        guard response.status == 200, let version = Self.version(response) else {
            throw try failure(response, connection)
        }
        let changed = response["last-modified"].flatMap { HTTPDate.parse(Array($0.utf8).span) }
        return VersionedText(
            version: version, text: String(decoding: try readAll(connection), as: UTF8.self),
            changed: changed.map { InternetDate.format(millisecondsSince1970: UInt64(max(0, $0)) * 1000) })
    }

    /// Sets the text.
    ///
    /// - Parameter condition: a header and its value; nil to set the text whatever it is.
    /// - Throws: ``SegmentError/versionMismatch(current:)`` if the condition does not hold.
    func set(_ text: [UInt8], if condition: (name: String, value: String)? = nil) throws -> Version {
        var request = request("PUT")
        if let condition { request.add(condition.name, condition.value) }
        request.body = text
        // A second more for each 64 KiB, as the server allows for it.
        let connection = try connect(timeoutMilliseconds: Self.timeoutMilliseconds + text.count / 65)
        let response = try exchange(request, over: connection)
        let version = Self.version(response)
        switch response.status {
        case 201, 204:
            guard let version else { throw noServer(response) }
            return version
        case 412:
            guard let version else { throw try failure(response, connection) }
            throw SegmentError.versionMismatch(current: version)
        default: throw try failure(response, connection)
        }
    }

    /// Opens the event stream of the versions after one.
    ///
    /// - Returns: nil if there is no such segment.
    func stream(after version: Version?) throws -> HTTPConnection? {
        var request = request("GET")
        request.add("Accept", "text/event-stream")
        if let version { request.add("Last-Event-ID", "\(version)") }
        let connection = try connect()
        let response = try exchange(request, over: connection)
        if response.status == 404 { return nil }
        guard response.status == 200, response["content-type"]?.hasPrefix("text/event-stream") == true else {
            throw try failure(response, connection)
        }
        return connection
    }

    // MARK: Exchanges

    private func request(_ method: String) -> HTTPRequest { HTTPRequest(method, "/shared/\(name)") }

    private func connect(timeoutMilliseconds: Int = timeoutMilliseconds) throws(RemoteError) -> HTTPConnection {
        do throws(HTTPFault) {
            return try HTTPConnection(to: server, ClientLimits(timeoutMilliseconds: timeoutMilliseconds), identity)
        } catch {
            throw RemoteError(server, "cannot be reached: \(error)", isTemporary: true)
        }
    }

    private func exchange(
        _ request: HTTPRequest, over connection: HTTPConnection
    ) throws(RemoteError) -> HTTPResponse {
        do throws(HTTPFault) {
            return try connection.exchange(request)
        } catch {
            let remark = request.method == "PUT" && !error.isUnsent ? ". The text may be set: get it to find out" : ""
            throw RemoteError(server, "does not answer: \(error)\(remark)", isTemporary: true)
        }
    }

    private func readAll(_ connection: HTTPConnection) throws(RemoteError) -> [UInt8] {
        var all: [UInt8] = []
        do throws(HTTPFault) {
            while true {
                connection.limits.renew(timeoutMilliseconds: Self.timeoutMilliseconds)
                let piece = try connection.readSome()
                if piece.isEmpty { return all }
                all += piece
                if all.count > Segment.maximumCapacity { throw .malformed(reason: "it is longer than any text") }
            }
        } catch {
            throw RemoteError(server, "does not send all of its answer: \(error)", isTemporary: true)
        }
    }

    private static func version(_ response: HTTPResponse) -> Version? {
        response.entityTag.flatMap { Version($0) }
    }

    /// Why a response is no success, in the server's words.
    private func failure(_ response: HTTPResponse, _ connection: HTTPConnection) throws -> RemoteError {
        guard response["content-type"] == "application/problem+json" else { return noServer(response) }
        let detail = JSONValue(try readAll(connection))?["detail"]?.string ?? "status \(response.status)"
        return RemoteError(
            server, "refuses: \(detail)", status: response.status, isTemporary: response.status == 503)
    }

    private func noServer(_ response: HTTPResponse) -> RemoteError {
        RemoteError(
            server, "answers with status \(response.status), and not as a sharedmem server does",
            status: response.status)
    }
}

/// Why a server has not done what a command asked of it.
struct RemoteError: Error, CustomStringConvertible {
    let description: String
    /// 0 without an answer.
    let status: Int
    /// Whether the same may succeed a moment later.
    let isTemporary: Bool

    init(_ server: ServerURL, _ problem: String, status: Int = 0, isTemporary: Bool = false) {
        description = "\(server) \(problem)\(problem.hasSuffix(".") ? "" : ".")"
        (self.status, self.isTemporary) = (status, isTemporary)
    }
}
