/// The kind of a problem (RFC 9457): one for each thing that a client could do next.
///
/// The contract, `openapi.yaml`, describes each under its `rawValue`.
package enum ProblemType: String, CaseIterable, Sendable {
    case malformedRequest = "malformed-request"
    case notText = "not-text"
    case noToken = "no-token"
    case wrongToken = "wrong-token"
    case forbidden = "forbidden"
    case notFound = "not-found"
    case methodNotAllowed = "method-not-allowed"
    case requestTimeout = "request-timeout"
    case replicated = "replicated"
    case preconditionFailed = "precondition-failed"
    case tooLong = "too-long"
    case unsupportedMediaType = "unsupported-media-type"
    case unknownExpectation = "unknown-expectation"
    case unknownHost = "unknown-host"
    case headTooLong = "head-too-long"
    case internalError = "internal-error"
    case notImplemented = "not-implemented"
    case unavailable = "unavailable"
    case noSpace = "no-space"
    case notKept = "not-kept"
    case outcomeUnknown = "outcome-unknown"
    case badOrigin = "bad-origin"
    case loop = "loop"

    package var status: Status { statusAndTitle.status }

    package var title: String { statusAndTitle.title }

    private var statusAndTitle: (status: Status, title: String) {
        switch self {
        case .malformedRequest: (.badRequest, "Malformed request")
        case .notText: (.badRequest, "Invalid text")
        case .noToken: (.unauthorized, "No token")
        case .wrongToken: (.unauthorized, "Wrong token")
        case .forbidden: (.forbidden, "Not allowed")
        case .notFound: (.notFound, "Not found")
        case .methodNotAllowed: (.methodNotAllowed, "Method not allowed")
        case .requestTimeout: (.requestTimeout, "Request timeout")
        case .replicated: (.conflict, "The segment is replicated")
        case .preconditionFailed: (.preconditionFailed, "Precondition failed")
        case .tooLong: (.contentTooLarge, "Text too long")
        case .unsupportedMediaType: (.unsupportedMediaType, "Unsupported media type")
        case .unknownExpectation: (.expectationFailed, "Unknown expectation")
        case .unknownHost: (.misdirectedRequest, "Unknown host")
        case .headTooLong: (.requestHeaderFieldsTooLarge, "Request head too long")
        case .internalError: (.internalServerError, "Internal error")
        case .notImplemented: (.notImplemented, "Not implemented")
        case .unavailable: (.serviceUnavailable, "Temporarily unavailable")
        case .noSpace: (.insufficientStorage, "No memory left")
        case .notKept: (.insufficientStorage, "Done in memory but not on disk")
        case .outcomeUnknown: (.gatewayTimeout, "Outcome unknown")
        case .badOrigin: (.badGateway, "The origin refuses")
        case .loop: (.loopDetected, "Loop detected")
        }
    }
}

/// A refusal, sent as `application/problem+json`.
///
/// The text stays as it was, except if the problem is ``ProblemType/notKept``, or perhaps ``ProblemType/outcomeUnknown``.
package final class Problem: Error, Sendable {
    package let type: ProblemType
    package let detail: String
    package let members: [(name: String, value: MemberValue)]
    package let headers: [(name: HeaderName, value: String)]

    package enum MemberValue: Sendable {
        case number(Int)
        /// Text without characters that JSON would escape.
        case text(String)
    }

    package init(
        _ type: ProblemType, _ detail: String, members: [(name: String, value: MemberValue)] = [],
        headers: [(name: HeaderName, value: String)] = []
    ) {
        self.type = type
        self.detail = detail
        self.members = members
        self.headers = headers
    }

    /// The body of the response, short because its type leads to the description in the contract.
    package var json: String {
        var json = "{\"type\":\"/openapi.yaml#/components/examples/\(type.rawValue)\",\"title\":\"\(type.title)\","
        var quoted: [UInt8] = []
        quoted.append(jsonString: detail)
        json += "\"status\":\(type.status.rawValue),\"detail\":\(String(decoding: quoted, as: UTF8.self))"
        for (name, value) in members {
            switch value {
            case .number(let number): json += ",\"\(name)\":\(number)"
            case .text(let text): json += ",\"\(name)\":\"\(text)\""
            }
        }
        return json + "}\n"
    }

    /// The head of a response that ends its connection, up to the empty line; ``json`` follows.
    ///
    /// - Parameters:
    ///   - reason: the reason phrase of the status.
    ///   - date: whole seconds since 1970.
    package func head(reason: String, date: Int64) -> String {
        var head = "HTTP/1.1 \(type.status.rawValue) \(reason)\r\nDate: \(HTTPDate.format(date))\r\n"
        head += "Content-Type: application/problem+json\r\nCache-Control: no-store\r\nConnection: close\r\n"
        for (name, value) in headers { head += "\(name.rawValue): \(value)\r\n" }
        return head + "Content-Length: \(json.utf8.count)\r\n\r\n"
    }
}

extension Problem {
    package static let noToken = Problem(
        .noToken, "The server requires a token. Send it as Authorization: Bearer TOKEN.",
        headers: [(.wwwAuthenticate, "Bearer realm=\"sharedmem\"")])
    package static let wrongToken = invalidToken("The server does not know this token.")
    package static let expiredToken = invalidToken("The token has expired. Get a new one.")
    package static let otherSegment = Problem(
        .forbidden, "The token is for other segments. Use one that is for this segment.",
        headers: [(.wwwAuthenticate, "Bearer realm=\"sharedmem\", error=\"insufficient_scope\"")])
    package static let wrongPeer = Problem(
        .forbidden, "The server does not accept the user that this process runs as. Connect as an allowed user.")

    package static let unnamedCertificate = Problem(
        .forbidden,
        "The server gives no role to this client's certificate. Have one of its names added to the client roles.")
    package static let expiredCertificateRole = Problem(
        .forbidden, "The role of this client's certificate has expired. Have it renewed on the server.")
    package static let otherSegmentOfCertificate = Problem(
        .forbidden, "The client's certificate is for other segments.")

    package static func wrongCertificateRole(has: String, needs: String) -> Problem {
        Problem(.forbidden, "The client's certificate has the role \(has), and this needs \(needs).")
    }

    private static func invalidToken(_ detail: String) -> Problem {
        Problem(
            .wrongToken, detail,
            headers: [(.wwwAuthenticate, "Bearer realm=\"sharedmem\", error=\"invalid_token\"")])
    }

    package static func wrongRole(has: String, needs: String) -> Problem {
        Problem(
            .forbidden, "The token has the role \(has), and this needs \(needs).",
            headers: [
                (.wwwAuthenticate, "Bearer realm=\"sharedmem\", error=\"insufficient_scope\", scope=\"\(needs)\"")
            ])
    }
    package static let notFound = Problem(.notFound, "Nothing is served at this path.")
    package static let noSegment = Problem(.notFound, "There is no segment of this name. PUT creates it.")
    package static let invalidName = Problem(
        .notFound,
        "This cannot be a segment's name here: use 1 to 200 of the characters A-Z a-z 0-9 . _ - that match the server's "
            + "--name-pattern, and do not begin with a dot.")
    package static let noSegmentToMatch = Problem(
        .preconditionFailed, "There is no segment of this name. To create it, send If-None-Match: * or no condition.")

    /// - Parameter names: the served segments that the client may know of.
    package static func notServed(_ names: [String]) -> Problem {
        let served =
            names.isEmpty
            ? ""
            : " It serves " + names.prefix(20).joined(separator: ", ")
                + (names.count > 20 ? " and others." : ".")
        return Problem(
            .notFound,
            "The server does not serve a segment of this name.\(served) Name it when you start the server, or start it "
                + "with --dynamic.")
    }

    package static func tooManySegments(_ limit: Int) -> Problem {
        Problem(
            .noSpace, "The server already serves \(limit) segments, its limit. Delete one, or raise --max-segments.")
    }
    package static let requestTimeout = Problem(
        .requestTimeout, "The body took too long to arrive, and nothing was set. Send the request again.")
    package static let uselessBody = Problem(
        .tooLong, "This request has no use for a body, and not all of it was read. Send the request without one.")
    package static let charset = Problem(
        .unsupportedMediaType, "The charset must be UTF-8 or US-ASCII, whatever the media type.")
    package static let multipart = Problem(
        .unsupportedMediaType, "A multipart body has an envelope around the text. Send the text alone, as with curl -T."
    )
    package static let contentCoding = Problem(
        .unsupportedMediaType, "Content-Encoding is not supported. Send the text as it is.",
        headers: [(.acceptEncoding, "identity")])
    package static let unknownExpectation = Problem(
        .unknownExpectation, "The only supported value of Expect is 100-continue.")
    package static let unknownHost = Problem(
        .unknownHost, "The server does not accept this host name. Use localhost, or add the name to the allowed hosts.")
    package static let unknownMethod = Problem(.notImplemented, "This server does not know the method.")
    package static let unknownTransferCoding = Problem(
        .notImplemented, "The only supported Transfer-Encoding is chunked.")

    package static let longChunkLine = malformed(
        "The first line of a chunk is too long. Leave out its extensions, and send the request again.")

    package static func malformed(_ detail: String) -> Problem { Problem(.malformedRequest, detail) }

    package static func notText(_ detail: String, offset: Int) -> Problem {
        Problem(.notText, detail, members: [("offset", .number(offset))])
    }

    package static func methodNotAllowed(_ allowed: AllowedMethods) -> Problem {
        Problem(.methodNotAllowed, "This resource allows \(allowed.rawValue).", headers: [(.allow, allowed.rawValue)])
    }

    package static func preconditionFailed(current: EntityTag) -> Problem {
        Problem(
            .preconditionFailed, "The current version is \(current.opaque). Get it, then retry.",
            members: [("version", .text(current.opaque))], headers: [(.entityTag, current.quoted)])
    }

    package static func alteredTag(current: EntityTag) -> Problem {
        Problem(
            .preconditionFailed,
            "A proxy on the way has altered the tag of the current version, \(current.opaque), as it does when it compresses. "
                + "Configure it to leave these responses alone.",
            members: [("version", .text(current.opaque))], headers: [(.entityTag, current.quoted)])
    }

    /// The text was set, but is not on disk, which the answer to the client would have confirmed.
    ///
    /// - Parameter reason: without characters that JSON would escape.
    package static func notKept(_ version: EntityTag, reason: String) -> Problem {
        Problem(
            .notKept,
            "The text is set, as version \(version.opaque), but it is not on disk (\(reason)), so a reboot would lose it. "
                + "The server keeps retrying.",
            members: [("version", .text(version.opaque))], headers: [(.entityTag, version.quoted)])
    }

    package static func notRemoved(reason: String) -> Problem {
        Problem(
            .notKept,
            "The segment is removed, but its text is still on disk (\(reason)), so a restart of the server would bring "
                + "it back. The server keeps retrying.")
    }

    package static let versionNotKept = Problem(
        .notFound, "This version of the text is not kept. Follow the links from the current one to those that are.")

    package static func tooLong(capacity: Int) -> Problem {
        Problem(
            .tooLong, "The text is longer than the segment's capacity of \(capacity) bytes. Shorten it.",
            members: [("capacity", .number(capacity))])
    }

    package static func headTooLong(limit: Int) -> Problem {
        Problem(
            .headTooLong,
            "The limit is \(limit) bytes, where each header field counts for 64 more, and each cookie twice and for 64 more. "
                + "Send fewer or shorter ones.")
    }

    package static func unavailable(_ detail: String) -> Problem {
        Problem(.unavailable, detail, headers: [(.retryAfter, "1")])
    }
}
