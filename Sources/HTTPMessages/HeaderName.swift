/// The name of a header that the service reads or writes.
package enum HeaderName: String, Sendable {
    case accept = "Accept"
    case acceptEncoding = "Accept-Encoding"
    case accessControlAllowHeaders = "Access-Control-Allow-Headers"
    case accessControlAllowMethods = "Access-Control-Allow-Methods"
    case accessControlAllowOrigin = "Access-Control-Allow-Origin"
    case accessControlExposeHeaders = "Access-Control-Expose-Headers"
    case accessControlMaxAge = "Access-Control-Max-Age"
    case accessControlRequestMethod = "Access-Control-Request-Method"
    case age = "Age"
    case allow = "Allow"
    case authorization = "Authorization"
    case cacheControl = "Cache-Control"
    case contentEncoding = "Content-Encoding"
    case contentLength = "Content-Length"
    case contentRange = "Content-Range"
    case contentSecurityPolicy = "Content-Security-Policy"
    case contentType = "Content-Type"
    case contentTypeOptions = "X-Content-Type-Options"
    case cookie = "Cookie"
    case date = "Date"
    case entityTag = "ETag"
    case expect = "Expect"
    case forwarded = "Forwarded"
    case forwardedFor = "X-Forwarded-For"
    case host = "Host"
    case idempotencyKey = "Idempotency-Key"
    case ifMatch = "If-Match"
    case ifModifiedSince = "If-Modified-Since"
    case ifNoneMatch = "If-None-Match"
    case ifUnmodifiedSince = "If-Unmodified-Since"
    case lastEventID = "Last-Event-ID"
    case lastModified = "Last-Modified"
    case link = "Link"
    case location = "Location"
    case origin = "Origin"
    case prefer = "Prefer"
    case preferenceApplied = "Preference-Applied"
    case referrerPolicy = "Referrer-Policy"
    case requestID = "X-Request-ID"
    case retryAfter = "Retry-After"
    case traceParent = "traceparent"
    case transferEncoding = "Transfer-Encoding"
    case vary = "Vary"
    case versionOrder = "Sharedmem-Version-Order"
    case via = "Via"
    case wwwAuthenticate = "WWW-Authenticate"

    /// Recognizes a name in a request; nil for a header that the service does not read.
    init?(received name: Span<UInt8>) {
        // By length first: most headers of most requests are of no interest.
        switch name.count {
        case 3 where name.equalsIgnoringCase("via"): self = .via
        case 4 where name.equalsIgnoringCase("host"): self = .host
        case 6 where name.equalsIgnoringCase("accept"): self = .accept
        case 6 where name.equalsIgnoringCase("cookie"): self = .cookie
        case 6 where name.equalsIgnoringCase("expect"): self = .expect
        case 6 where name.equalsIgnoringCase("prefer"): self = .prefer
        case 6 where name.equalsIgnoringCase("origin"): self = .origin
        case 8 where name.equalsIgnoringCase("if-match"): self = .ifMatch
        case 9 where name.equalsIgnoringCase("forwarded"): self = .forwarded
        case 11 where name.equalsIgnoringCase("traceparent"): self = .traceParent
        case 12 where name.equalsIgnoringCase("content-type"): self = .contentType
        case 12 where name.equalsIgnoringCase("x-request-id"): self = .requestID
        case 13 where name.equalsIgnoringCase("if-none-match"): self = .ifNoneMatch
        case 13 where name.equalsIgnoringCase("last-event-id"): self = .lastEventID
        case 13 where name.equalsIgnoringCase("authorization"): self = .authorization
        case 13 where name.equalsIgnoringCase("content-range"): self = .contentRange
        case 14 where name.equalsIgnoringCase("content-length"): self = .contentLength
        case 15 where name.equalsIgnoringCase("idempotency-key"): self = .idempotencyKey
        case 15 where name.equalsIgnoringCase("x-forwarded-for"): self = .forwardedFor
        case 29 where name.equalsIgnoringCase("access-control-request-method"): self = .accessControlRequestMethod
        case 16 where name.equalsIgnoringCase("content-encoding"): self = .contentEncoding
        case 17 where name.equalsIgnoringCase("if-modified-since"): self = .ifModifiedSince
        case 17 where name.equalsIgnoringCase("transfer-encoding"): self = .transferEncoding
        case 19 where name.equalsIgnoringCase("if-unmodified-since"): self = .ifUnmodifiedSince
        default: return nil
        }
    }
}
