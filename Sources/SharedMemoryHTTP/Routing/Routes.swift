import HTTPMessages

/// The resource that a target leads to.
enum Route: Equatable {
    /// A segment, by its index among those that are served.
    case segment(Int)
    /// A segment that is not served.
    case unknownSegment(name: String)
    case contract
    case alive
    case ready
    /// The server as a whole, for `OPTIONS`: `*`, and `/`, which HAProxy asks unless it is told otherwise.
    case server

    func allowed(isReadOnly: Bool) -> AllowedMethods {
        switch self {
        case .segment, .server: isReadOnly ? .read : .readAndWrite
        case .contract, .alive, .ready, .unknownSegment: .read
        }
    }

    /// Whether access depends on the client: all but the service's own resources.
    var isProtected: Bool {
        switch self {
        case .segment, .unknownSegment: true
        case .contract, .alive, .ready, .server: false
        }
    }

    /// Whether this is for the probes of whatever runs the server.
    var isProbe: Bool { self == .alive || self == .ready }

}

/// The paths of the service: `/shared` is the first segment, `/shared/NAME` is each of them.
struct Routes: Sendable {
    private let names: [[UInt8]]

    init(_ segments: [String]) { names = segments.map { Array($0.utf8) } }

    /// - Parameter target: a path, or an absolute URL as sent to a proxy, which a server must accept too.
    func route(_ target: Span<UInt8>) -> Route? {
        guard !target.isEmpty, target[0] != UInt8(ascii: "/") else { return route(path: target) }
        if target == "*" { return .server }
        guard let authority = Self.authority(target) else { return nil }
        return route(path: target.extracting(authority.upperBound..<target.count))
    }

    /// Where an absolute URL has its host; nil for any other target.
    static func authority(_ target: Span<UInt8>) -> Range<Int>? {
        guard target.count > 7, target.extracting(first: 7).equalsIgnoringCase("http://"),
            let path = target.firstIndex(of: UInt8(ascii: "/"), from: 7)
        else { return nil }
        return 7..<path
    }

    private func route(path: Span<UInt8>) -> Route? {
        if path == "/shared" { return .segment(0) }
        if path.starts(with: "/shared/") {
            let name = path.extracting(8..<path.count)
            for (index, served) in names.enumerated() {
                if name.equals(served.span) { return .segment(index) }
            }
            return .unknownSegment(name: name.text ?? "")
        }
        if path == "/livez" { return .alive }
        if path == "/readyz" { return .ready }
        if path == "/openapi.yaml" { return .contract }
        return path == "/" ? .server : nil
    }
}
