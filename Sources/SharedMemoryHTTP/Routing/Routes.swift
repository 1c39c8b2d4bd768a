import HTTPMessages

/// The resource that a target leads to.
enum Route {
    case segment(SegmentResource)
    /// A segment that is not served, or does not exist.
    case missing(name: String)
    /// The list of segments.
    case list
    case metrics
    /// The page that a browser gets in place of the text or the list.
    case page
    case contract
    case alive
    case ready
    /// The server as a whole: `*`, for `OPTIONS`.
    case server

    func allowed(isReadOnly: Bool, isDynamic: Bool) -> AllowedMethods {
        switch self {
        case .segment, .missing, .server:
            isReadOnly ? .read : isDynamic ? .readWriteAndDelete : .readAndWrite
        case .list, .metrics, .page, .contract, .alive, .ready: .read
        }
    }

    /// Whether access depends on the client: all but the service's own resources.
    var isProtected: Bool {
        switch self {
        case .segment, .missing, .list, .metrics: true
        case .page, .contract, .alive, .ready, .server: false
        }
    }

    /// Whether a browser gets the page here.
    var hasPage: Bool {
        switch self {
        case .segment, .missing, .list: true
        case .metrics, .page, .contract, .alive, .ready, .server: false
        }
    }

    /// Whether this is for the probes of whatever runs the server.
    var isProbe: Bool {
        switch self {
        case .alive, .ready: true
        default: false
        }
    }
}

extension Catalog {
    /// Finds what a target leads to: `/shared` is the first segment, `/shared/NAME` is each of them.
    ///
    /// - Parameter target: a path, or an absolute URL as sent to a proxy, which a server must accept too.
    func route(_ target: Span<UInt8>) -> Route? {
        guard !target.isEmpty, target[0] != UInt8(ascii: "/") else { return route(path: target) }
        if target == "*" { return .server }
        guard let authority = Self.authority(target) else { return nil }
        return route(path: target.extracting(authority.upperBound..<target.count))
    }

    /// Where an absolute URL has its host; nil for any other target.
    static func authority(_ target: Span<UInt8>) -> Range<Int>? {
        guard !target.isEmpty, target[0] != UInt8(ascii: "/") else { return nil }
        func follows(_ scheme: StaticString) -> Bool {
            let count = scheme.utf8CodeUnitCount
            return target.count > count && target.extracting(first: count).equalsIgnoringCase(scheme)
        }
        let start = follows("http://") ? 7 : follows("https://") ? 8 : target.count
        guard let path = target.firstIndex(of: UInt8(ascii: "/"), from: start) else { return nil }
        return start..<path
    }

    private func route(path: Span<UInt8>) -> Route? {
        if path == "/shared" { return shared.map(Route.segment) ?? .missing(name: sharedName) }
        if path.starts(with: "/shared/") {
            let name = path.extracting(8..<path.count)
            if name.isEmpty { return .list }
            return find(name).map(Route.segment) ?? .missing(name: name.text ?? "")
        }
        if path == "/livez" { return .alive }
        if path == "/readyz" { return .ready }
        if path == "/metrics" { return .metrics }
        if path == "/openapi.yaml" { return .contract }
        return path == "/" ? .list : nil
    }
}
