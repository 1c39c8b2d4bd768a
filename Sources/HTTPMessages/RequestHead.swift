/// What a request's headers say about it: how its body is framed, what the body is, who sends it, and what it asks for.
///
/// libmicrohttpd reads only the first of repeated headers and trusts what it reads. This type stands between it and a
/// request that two servers would read as two different ones.
package struct RequestHead: Sendable {
    package private(set) var authorization: Authorization
    package private(set) var conditions = Conditions()
    package private(set) var acceptance = Acceptance()
    /// How many seconds the client is prepared to wait for a change.
    package private(set) var waitSeconds: Int?
    /// Whether the client wants the text as it is once the request has arrived: `Prefer: consistent`.
    package private(set) var wantsConsistency = false
    /// The servers that the request came through, as `Via` lists them; empty if there are none.
    package private(set) var via = ""
    /// By which the repetition of a PUT is known; empty if it is not ASCII.
    package private(set) var idempotencyKey: String?
    /// Whether `Prefer: wait` is not a number of whole seconds.
    package private(set) var hasMalformedWait = false
    /// The id of the last event that the client of an event stream received.
    package private(set) var lastEventID: String?
    /// The id that the client or a proxy has given the request: 1 to 128 visible ASCII characters.
    package private(set) var requestID: String?
    /// The parent of this request in a trace.
    package private(set) var traceParent: String?
    /// The addresses that the request came through, the client's first, as proxies claim.
    package private(set) var forwarded = ForwardedAddresses()
    /// The site of the page that sends the request, as the browser claims.
    package private(set) var origin: String?
    /// Whether this is a browser's preflight request: it asks which requests a page of another site may send.
    package private(set) var isPreflight = false
    package private(set) var expectsContinue = false
    package private(set) var hasUnknownExpectation = false
    /// Whether `Host` is a name of this server.
    package private(set) var isForThisHost = true
    package private(set) var isChunked = false
    package private(set) var contentLength: UInt64 = 0
    /// Whether a body of this request would end with its connection, as in HTTP/1.0.
    package private(set) var hasNoLength = false

    /// How many bytes libmicrohttpd needs besides the head itself: it keeps a record of each field, a copy of each `Cookie`,
    /// and a record of each cookie in it.
    package private(set) var recordByteCount = 0

    private var framingFault: FramingFault?
    private var contentFault: ContentFault?
    private var seen: SingleHeaders = []

    /// - Parameter isIntact: false if the head was not sent as HTTP writes it.
    package init(_ policy: AccessPolicy, isIntact: Bool) {
        authorization = policy.defaultAuthorization
        if !isIntact { framingFault = .notIntact }
    }

    package var hasBody: Bool { isChunked || contentLength > 0 }

    /// Set if the head leaves open where the request ends: refuse the request and end the connection.
    package var framingProblem: Problem? {
        switch framingFault {
        case nil: nil
        case .notIntact:
            .malformed(
                "The request head has a space, a control character, a bare line ending or a folded line where HTTP "
                    + "allows none.")
        case .invalidName: .malformed("A header name is empty or has a character that HTTP does not allow.")
        case .invalidValue: .malformed("A header value has a control character.")
        case .invalidHost: .malformed("The Host header is not a valid host.")
        case .noHost: .malformed("The Host header is missing.")
        case .repeated(let name): .malformed("\(name.rawValue) appears more than once.")
        case .ambiguousLength:
            .malformed(
                "Transfer-Encoding is not allowed beside Content-Length or in HTTP/1.0: the end of the request would be "
                    + "ambiguous.")
        case .notChunkedLast:
            .malformed(
                "The last transfer coding, and no other, must be chunked: the end of the request would be ambiguous.")
        case .unknownTransferCoding: .unknownTransferCoding
        }
    }

    /// Set if the announced body cannot become the text.
    package var contentProblem: Problem? {
        switch contentFault {
        case nil: nil
        case .charset: .charset
        case .multipart: .multipart
        case .coding: .contentCoding
        case .range: .malformed("Content-Range is not supported: PUT replaces the whole text.")
        }
    }

    private enum FramingFault {
        case notIntact, invalidName, invalidValue, invalidHost, noHost, repeated(HeaderName)
        case ambiguousLength, notChunkedLast, unknownTransferCoding
    }

    private enum ContentFault { case charset, multipart, coding, range }

    private mutating func refuse(_ fault: FramingFault) { framingFault = framingFault ?? fault }
}

// MARK: Reading

extension RequestHead {
    /// Reads a header field.
    ///
    /// - Parameter received: the value, possibly with blanks after it.
    package mutating func add(name: Span<UInt8>, value received: Span<UInt8>, _ policy: AccessPolicy) {
        recordByteCount += 64
        if received.hasControlCharacter { refuse(.invalidValue) }
        guard let name = HeaderName(received: name) else {
            if !name.isToken { refuse(.invalidName) }
            return
        }
        let value = received.extracting(received.trimmed(0..<received.count))
        switch name {
        case .host:
            addOnce(.host, name)
            if !value.isHost { refuse(.invalidHost) }
            isForThisHost = policy.allows(host: value)
        case .contentLength:
            addOnce(.contentLength, name)
            contentLength = value.decimal ?? .max
        case .transferEncoding:
            addOnce(.transferEncoding, name)
            isChunked = true
            switch TransferCoding.framing(received) {
            case .chunked: break
            case .unknown: refuse(.unknownTransferCoding)
            case .ambiguous: refuse(.notChunkedLast)
            }
        case .authorization:
            addOnce(.authorization, name)
            authorization = policy.authorize(value)
        case .expect:
            expectsContinue = true
            if !value.equalsIgnoringCase("100-continue") { hasUnknownExpectation = true }
        case .contentType:
            addOnce(.contentType, name)
            if !ContentType.isUTF8(value) { contentFault = .charset }
            if ContentType.isMultipart(value) { contentFault = .multipart }
        case .contentEncoding:
            if !value.equalsIgnoringCase("identity") { contentFault = .coding }
        case .contentRange: contentFault = .range
        case .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince: conditions.add(name, value)
        case .accept: acceptance.add(value)
        case .via:
            guard let text = value.text else { break }
            via += via.isEmpty ? text : ", \(text)"
        case .prefer:
            if Preference.isConsistent(value) { wantsConsistency = true }
            guard waitSeconds == nil else { break }
            switch Preference.wait(value) {
            case .none: break
            case .seconds(let seconds): waitSeconds = seconds
            case .malformed: hasMalformedWait = true
            }
        case .lastEventID: lastEventID = value.text
        case .idempotencyKey: idempotencyKey = value.text ?? ""
        case .requestID: requestID = value.isLabel(atMost: 128) ? value.text : nil
        case .traceParent: traceParent = value.isLabel(atMost: 128) ? value.text : nil
        case .forwardedFor: forwarded.addList(value.text ?? "")
        case .forwarded: forwarded.addForwarded(value.text ?? "")
        case .origin: origin = value.isLabel(atMost: 1024) ? value.text : nil
        case .accessControlRequestMethod: isPreflight = true
        case .cookie:
            recordByteCount += received.count + 64
            for index in received.indices where received[index] == UInt8(ascii: ";") { recordByteCount += 64 }
        default: break
        }
    }

    private mutating func addOnce(_ header: SingleHeaders, _ name: HeaderName) {
        if !seen.insert(header).inserted { refuse(.repeated(name)) }
    }

    /// Looks at the head as a whole; call it after the last header.
    package mutating func finish(isHTTP10: Bool) {
        if isChunked, isHTTP10 || seen.contains(.contentLength) { refuse(.ambiguousLength) }
        if !isHTTP10, !seen.contains(.host) { refuse(.noHost) }
        hasNoLength = isHTTP10 && !seen.contains(.contentLength)
    }
}

/// The headers whose repetition another server on the way could read differently.
private struct SingleHeaders: OptionSet {
    let rawValue: UInt8
    static let host = SingleHeaders(rawValue: 1)
    static let contentLength = SingleHeaders(rawValue: 2)
    static let transferEncoding = SingleHeaders(rawValue: 4)
    static let contentType = SingleHeaders(rawValue: 8)
    static let authorization = SingleHeaders(rawValue: 16)
}

extension Span<UInt8> {
    /// Whether this is visible ASCII, at least one character and not too long.
    fileprivate func isLabel(atMost limit: Int) -> Bool {
        !isEmpty && count <= limit && allSatisfy { (0x21...0x7e).contains($0) }
    }

    /// Whether this is a token, as a header name must be (RFC 9110, 5.6.2).
    fileprivate var isToken: Bool {
        !isEmpty
            && allSatisfy { byte in
                // Nearly all characters of nearly all names.
                if Self.isLetter(byte) { return true }
                // The characters of a token, a bit each: from U+0000, and from U+0040.
                let characters: UInt64 = byte < 64 ? 0x03ff_6cfa_0000_0000 : 0x57ff_ffff_c7ff_fffe
                return byte < 128 && characters >> UInt64(byte & 63) & 1 == 1
            }
    }

    /// Whether this has no character that would end a host in a URL, and is not empty.
    fileprivate var isHost: Bool {
        !isEmpty
            && allSatisfy { byte in
                // Nearly all characters of nearly all hosts.
                if Self.isLetter(byte) || byte &- UInt8(ascii: "0") < 11 || byte == UInt8(ascii: ".") {
                    return true
                }
                return switch byte {
                case ...UInt8(ascii: " "), 0x7f..., UInt8(ascii: ","), UInt8(ascii: "/"), UInt8(ascii: "?"),
                    UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "\\"):
                    false
                default: true
                }
            }
    }
}
