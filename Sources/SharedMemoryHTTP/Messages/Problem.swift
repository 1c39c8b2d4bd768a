/// What can go wrong, one type for each thing that a client could do next (RFC 9457).
///
/// The contract describes each under the name that `rawValue` is.
enum ProblemType: String, CaseIterable {
    case malformedRequest = "malformed-request"
    case notText = "not-text"
    case noToken = "no-token"
    case wrongToken = "wrong-token"
    case notFound = "not-found"
    case methodNotAllowed = "method-not-allowed"
    case requestTimeout = "request-timeout"
    case preconditionFailed = "precondition-failed"
    case tooLong = "too-long"
    case unsupportedMediaType = "unsupported-media-type"
    case unknownExpectation = "unknown-expectation"
    case unknownHost = "unknown-host"
    case internalError = "internal-error"
    case notImplemented = "not-implemented"
    case unavailable = "unavailable"
    case noSpace = "no-space"

    var status: Status {
        switch self {
        case .malformedRequest, .notText: .badRequest
        case .noToken: .unauthorized
        case .wrongToken: .forbidden
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .requestTimeout: .requestTimeout
        case .preconditionFailed: .preconditionFailed
        case .tooLong: .contentTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .unknownExpectation: .expectationFailed
        case .unknownHost: .misdirectedRequest
        case .internalError: .internalServerError
        case .notImplemented: .notImplemented
        case .unavailable: .serviceUnavailable
        case .noSpace: .insufficientStorage
        }
    }

    var title: String {
        switch self {
        case .malformedRequest: "Malformed request"
        case .notText: "Invalid text"
        case .noToken: "No token"
        case .wrongToken: "Wrong token"
        case .notFound: "Not found"
        case .methodNotAllowed: "Method not allowed"
        case .requestTimeout: "Request timeout"
        case .preconditionFailed: "Precondition failed"
        case .tooLong: "Text too long"
        case .unsupportedMediaType: "Unsupported media type"
        case .unknownExpectation: "Unknown expectation"
        case .unknownHost: "Unknown host"
        case .internalError: "Internal error"
        case .notImplemented: "Not implemented"
        case .unavailable: "Temporarily unavailable"
        case .noSpace: "No memory left"
        }
    }
}

/// An answer of `application/problem+json`.
///
/// Whatever it says, the text is what it was.
struct Problem {
    let type: ProblemType
    let detail: String
    var members: [(name: String, value: MemberValue)] = []
    var fields: [(name: Field, value: String)] = []

    enum MemberValue {
        case number(Int)
        /// Without characters that JSON would escape.
        case text(String)
    }
}

extension Problem {
    static func malformed(_ detail: String) -> Problem { Problem(type: .malformedRequest, detail: detail) }

    static func notText(_ detail: String, offset: Int) -> Problem {
        Problem(type: .notText, detail: detail, members: [("offset", .number(offset))])
    }

    static var noToken: Problem {
        Problem(
            type: .noToken, detail: "Send the token: Authorization: Bearer TOKEN.",
            fields: [(.wwwAuthenticate, "Bearer realm=\"sharedmem\"")])
    }

    static var wrongToken: Problem { Problem(type: .wrongToken, detail: "The token is not the server's.") }

    static var notFound: Problem { Problem(type: .notFound, detail: "Nothing is served under this path.") }

    static func methodNotAllowed(_ allowed: AllowedMethods) -> Problem {
        Problem(
            type: .methodNotAllowed, detail: "The methods here are \(allowed.rawValue).",
            fields: [(.allow, allowed.rawValue)])
    }

    static var requestTimeout: Problem {
        Problem(type: .requestTimeout, detail: "The body took too long to come, and nothing was set. Send it again.")
    }

    static func preconditionFailed(present: EntityTag) -> Problem {
        Problem(
            type: .preconditionFailed, detail: "The text's version is \(present.opaque). Get it again, then set.",
            members: [("version", .text(String(present.opaque)))], fields: [(.entityTag, present.quoted)])
    }

    static func tooLong(capacity: Int) -> Problem {
        Problem(
            type: .tooLong, detail: "A text has at most \(capacity) bytes here.",
            members: [("capacity", .number(capacity))])
    }

    static var charset: Problem {
        Problem(type: .unsupportedMediaType, detail: "The charset of a text is UTF-8, of whatever media type it is.")
    }

    static var contentCoding: Problem {
        Problem(
            type: .unsupportedMediaType, detail: "Send the text without a Content-Encoding.",
            fields: [(.acceptEncoding, "identity")])
    }

    static var unknownExpectation: Problem {
        Problem(type: .unknownExpectation, detail: "The only Expect known here is 100-continue.")
    }

    static var unknownHost: Problem {
        Problem(
            type: .unknownHost,
            detail: "Host is no name of this server. Ask for localhost, or have the server know it (--allow-host).")
    }

    static var unknownMethod: Problem { Problem(type: .notImplemented, detail: "The method is not known here.") }

    static var unknownTransferCoding: Problem {
        Problem(type: .notImplemented, detail: "The only Transfer-Encoding known here is chunked.")
    }

    static func unavailable(_ detail: String) -> Problem {
        Problem(type: .unavailable, detail: detail, fields: [(.retryAfter, "1")])
    }
}

extension Problem {
    /// As small as it can be said: the type leads to the rest, in the contract.
    var json: String {
        var json = "{\"type\":\"/openapi.yaml#/components/examples/\(type.rawValue)\",\"title\":\"\(type.title)\","
        json += "\"status\":\(type.status.rawValue),\"detail\":\"\(detail)\""
        for member in members {
            switch member.value {
            case .number(let number): json += ",\"\(member.name)\":\(number)"
            case .text(let text): json += ",\"\(member.name)\":\"\(text)\""
            }
        }
        return json + "}\n"
    }

    /// A whole message, for where there is no ``Request`` to answer.
    var message: String {
        let (body, status) = (json, type.status.rawValue)
        return
            "HTTP/1.1 \(status) \(type.title)\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n"
            + "Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    func response() -> Response {
        let response = Response(json)
        response.add(.contentType, "application/problem+json")
        response.add(.cacheControl, "no-store")
        for field in fields { response.add(field.name, field.value) }
        return response
    }
}
