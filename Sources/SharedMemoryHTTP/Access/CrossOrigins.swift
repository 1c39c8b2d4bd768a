import HTTPMessages
import MicroHTTPD

/// The sites whose pages may use the server from another origin (Fetch, section 3.2).
struct CrossOrigins: Sendable {
    private let origins: Set<String>

    init(_ origins: [String]) throws(ServerError) {
        for origin in origins where origin != "*" && origin != "null" {
            let parts = origin.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0].hasSuffix(":"), parts[0].count > 1, parts[1].isEmpty, !parts[2].isEmpty
            else {
                throw .invalidOption(
                    name: ServerOption.corsOrigin.name,
                    problem: "'\(origin)' is not an origin: write it as https://example.org or *.")
            }
        }
        self.origins = Set(origins)
    }

    private func allows(_ head: RequestHead) -> Bool {
        guard let origin = head.origin else { return false }
        return origins.contains("*") || origins.contains(origin)
    }

    /// Whether this is a browser's preflight request, which has no token.
    func isPreflight(_ head: RequestHead, _ method: Method?) -> Bool {
        method == .options && head.isPreflight && allows(head)
    }

    /// The fields of the response to a request from such a page.
    func fields(_ head: RequestHead) -> [ResponseField] {
        guard !origins.isEmpty else { return [] }
        let vary = ResponseField(.vary, "Origin")
        guard allows(head), let origin = head.origin else { return [vary] }
        let exposed = "ETag, Last-Modified, Location, Preference-Applied, Retry-After, X-Request-ID"
        return [
            vary, ResponseField(.accessControlAllowOrigin, origin), ResponseField(.accessControlExposeHeaders, exposed),
        ]
    }

    func preflight(_ methods: AllowedMethods) -> [ResponseField] {
        [
            ResponseField(.allow, methods.rawValue), ResponseField(.accessControlAllowMethods, methods.rawValue),
            ResponseField(
                .accessControlAllowHeaders,
                "Authorization, Content-Type, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Idempotency-Key, "
                    + "Last-Event-ID, Prefer, X-Request-ID, traceparent"), ResponseField(.accessControlMaxAge, "600"),
        ]
    }
}
