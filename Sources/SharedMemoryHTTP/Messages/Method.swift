/// A request's method: those of RFC 9110, PATCH and QUERY.
enum Method {
    case get, head, put, options
    /// Known, but nothing here has it.
    case other

    init?(_ name: Span<UInt8>) {
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

/// The methods a resource has, as in `Allow`.
enum AllowedMethods: String, CaseIterable {
    case read = "GET, HEAD, OPTIONS"
    case readAndWrite = "GET, HEAD, PUT, OPTIONS"
}
