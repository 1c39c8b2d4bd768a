/// The method of a request: one of RFC 9110, `PATCH` or `QUERY`.
package enum Method: Sendable {
    case get, head, put, options
    /// A known method that no resource has.
    case other

    package init?(_ name: Span<UInt8>) {
        if name == "GET" {
            self = .get
        } else if name == "HEAD" {
            self = .head
        } else if name == "PUT" {
            self = .put
        } else if name == "OPTIONS" {
            self = .options
        } else if name == "POST" || name == "DELETE" || name == "PATCH" || name == "TRACE" || name == "CONNECT"
            || name == "QUERY"
        {
            self = .other
        } else {
            return nil
        }
    }
}

/// The methods of a resource, as `Allow` lists them.
package enum AllowedMethods: String, CaseIterable, Sendable {
    case read = "GET, HEAD, OPTIONS"
    case readAndWrite = "GET, HEAD, PUT, OPTIONS"
}
