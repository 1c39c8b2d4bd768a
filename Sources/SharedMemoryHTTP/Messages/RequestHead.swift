import SharedMemory

/// What a request's header fields say of it as a whole: how its body is framed, what it is, and who
/// sends it.
///
/// MHD reads only the first of repeated fields and trusts what it reads. This is what stands between
/// it and a request that two servers would take for two different ones.
struct RequestHead {
    /// The head leaves open where the request ends: refuse it and end the connection.
    private(set) var framingProblem: Problem?
    /// The body as announced can not become the text.
    private(set) var contentProblem: Problem?
    private(set) var authorization = Authorization.none
    private(set) var hasConditions = false
    private(set) var acceptance = Acceptance()
    private(set) var hasIfNoneMatch = false
    /// How long the client would wait for a change.
    private(set) var waitSeconds: Int?
    /// What the client of an event stream knows.
    private(set) var lastEventID: Version?
    private(set) var expectsContinue = false
    private(set) var hasUnknownExpectation = false
    private(set) var isForThisHost = true
    private(set) var isChunked = false
    private(set) var contentLength: UInt64 = 0

    private var singleFieldsSeen: SingleFields = []
    private let token: Token?
    private let hosts: AllowedHosts?

    init(_ request: Request, isAsSent: Bool, _ token: Token?, _ hosts: AllowedHosts?) {
        self.token = token
        self.hosts = hosts
        if !isAsSent {
            refuse(
                .malformed(
                    "The head has a blank, a control character, a bare line end or a folded line where HTTP has none."))
        }
        request.visitFields(&self)
        if isChunked, singleFieldsSeen.contains(.contentLength) || request.isHTTP10 {
            refuse(
                .malformed(
                    "Transfer-Encoding leaves open where the request ends, beside Content-Length or in HTTP/1.0."))
        }
        if !singleFieldsSeen.contains(.host), !request.isHTTP10 { refuse(.malformed("There is no Host field.")) }
    }

    var hasBody: Bool { isChunked || contentLength > 0 }

    private mutating func refuse(_ problem: Problem) {
        if framingProblem == nil { framingProblem = problem }
    }
}

extension RequestHead: FieldVisitor {
    static var callback: FieldCallback { { unsafe visitField(Self.self, $0, $2, $3, $4, $5) } }

    mutating func visit(name: Span<UInt8>, value received: Span<UInt8>) {
        guard name.isToken else { return refuse(.malformed("A header field's name is not a token.")) }
        guard let field = Field(received: name) else { return }
        let value = received.extracting(received.trimmed(0..<received.count))
        switch field {
        case .host:
            visitOnce(.host, field)
            if !value.isHost { refuse(.malformed("Host is not a host.")) }
            isForThisHost = hosts?.contains(value) ?? true
        case .contentLength:
            visitOnce(.contentLength, field)
            contentLength = value.decimal ?? .max
        case .transferEncoding:
            visitOnce(.transferEncoding, field)
            isChunked = true
            // With a blank after it, MHD does not know it, and would wait for ever.
            if !received.equalsIgnoringCase("chunked") { refuse(.unknownTransferCoding) }
        case .authorization:
            visitOnce(.authorization, field)
            authorization = token?.judge(value) ?? .right
        case .expect:
            expectsContinue = true
            if !value.equalsIgnoringCase("100-continue") { hasUnknownExpectation = true }
        case .contentType:
            visitOnce(.contentType, field)
            if !ContentType.isUTF8(value) { contentProblem = .charset }
        case .contentEncoding:
            if !value.equalsIgnoringCase("identity") { contentProblem = .contentCoding }
        case .contentRange:
            contentProblem = .malformed("Content-Range: a part of the text can not be set.")
        case .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince:
            hasConditions = true
            if field == .ifNoneMatch { hasIfNoneMatch = true }
        case .accept:
            acceptance.read(value)
        case .prefer:
            waitSeconds = waitSeconds ?? Preference.waitSeconds(value)
        case .lastEventID:
            lastEventID = value.text.flatMap { Version($0) }
        default:
            break
        }
    }

    private mutating func visitOnce(_ field: SingleFields, _ name: Field) {
        if !singleFieldsSeen.insert(field).inserted { refuse(.malformed("\(name.rawValue) is repeated.")) }
    }
}

/// Fields of which a second one would say something else to another server on the way.
private struct SingleFields: OptionSet {
    let rawValue: UInt8
    static let host = SingleFields(rawValue: 1)
    static let contentLength = SingleFields(rawValue: 2)
    static let transferEncoding = SingleFields(rawValue: 4)
    static let contentType = SingleFields(rawValue: 8)
    static let authorization = SingleFields(rawValue: 16)
}

extension Span<UInt8> {
    /// As a field name must be (RFC 9110, 5.6.2).
    fileprivate var isToken: Bool {
        for index in indices {
            // Nearly all of nearly all names.
            if (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self[index] | 0x20) { continue }
            switch self[index] {
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
                UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
                continue
            default: return false
            }
        }
        return !isEmpty
    }

    /// Without what would end a host in a URL; an empty one is allowed.
    fileprivate var isHost: Bool {
        for index in indices {
            switch self[index] {
            case ...UInt8(ascii: " "), 0x7f..., UInt8(ascii: ","), UInt8(ascii: "/"), UInt8(ascii: "?"),
                UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "\\"):
                return false
            default: continue
            }
        }
        return true
    }
}
