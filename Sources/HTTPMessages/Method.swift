/// The method of a request: one of RFC 9110, `PATCH` or `QUERY`.
package enum Method: Sendable {
    case get, head, put, delete, options
    /// A known method that no resource has.
    case other

    package init?(_ name: Span<UInt8>) {
        switch name {
        case "GET": self = .get
        case "HEAD": self = .head
        case "PUT": self = .put
        case "OPTIONS": self = .options
        case "DELETE": self = .delete
        case "POST", "PATCH", "TRACE", "CONNECT", "QUERY": self = .other
        default: return nil
        }
    }
}

/// The methods of a resource, as `Allow` lists them.
package enum AllowedMethods: String, CaseIterable, Sendable {
    case read = "GET, HEAD, OPTIONS"
    case readAndWrite = "GET, HEAD, PUT, OPTIONS"
    case readWriteAndDelete = "GET, HEAD, PUT, DELETE, OPTIONS"
}
