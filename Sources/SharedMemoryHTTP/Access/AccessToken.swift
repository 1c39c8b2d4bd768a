import HTTPMessages

/// A secret that a client presents as `Authorization: Bearer TOKEN`, and what it lets the client do.
public struct AccessToken: Hashable, Sendable {
    /// What a client may do; each role includes the ones before it.
    public enum Role: String, CaseIterable, Comparable, Sendable {
        /// Read and follow the text.
        case read
        /// Set the text, too.
        case write
        /// Create and delete segments, too.
        case admin

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

        public static func < (lesser: Role, greater: Role) -> Bool { lesser.rank < greater.rank }
    }

    /// 16 to 512 visible ASCII characters.
    public let secret: String
    public let role: Role
    /// A name for people.
    public let name: String?
    /// The segments that it is for, by name, where `*` stands for any characters and `?` for one; empty for all segments.
    public let segments: [String]
    /// When it expires, in seconds since 1970; nil for never.
    public let expires: Int64?

    let bearer: BearerToken

    static let lengths = 16...512

    /// - Throws: ``ServerError/invalidToken``
    public init(
        _ secret: String, role: Role = .write, name: String? = nil, segments: [String] = [], expires: Int64? = nil
    ) throws(ServerError) {
        guard Self.lengths.contains(secret.utf8.count), let bearer = BearerToken(secret) else { throw .invalidToken }
        (self.secret, self.role, self.name, self.bearer) = (secret, role, name, bearer)
        (self.segments, self.expires) = (segments, expires)
    }
}

/// What lets a client do something: a token, or a name in its certificate.
protocol AccessGrant {
    var role: AccessToken.Role { get }
    var segments: [String] { get }
    var expires: Int64? { get }
}

extension AccessGrant {
    func isFor(_ segment: String) -> Bool { segment.matches(anyOf: segments) }
    func hasExpired(at seconds: Int64) -> Bool { expires.map { $0 <= seconds } ?? false }
}

extension AccessToken: AccessGrant {}

extension AccessToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    // None of these shows the secret, which a log would keep.
    public var description: String { "\(role.rawValue) token \(name.map { "'\($0)'" } ?? "without a name")" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension String {
    /// Whether a pattern stands for this: `*` for any characters, `?` for one, any other character for itself.
    func matches(pattern: String) -> Bool {
        let (text, pattern) = (Array(utf8), Array(pattern.utf8))
        var (position, next) = (0, 0)
        // The last star, and where in the text what follows it was tried.
        var star: (next: Int, position: Int)?
        while position < text.count {
            if next < pattern.count, pattern[next] == UInt8(ascii: "*") {
                next += 1
                star = (next, position)
            } else if next < pattern.count, pattern[next] == UInt8(ascii: "?") || pattern[next] == text[position] {
                next += 1
                position += 1
            } else if let last = star {
                star = (last.next, last.position + 1)
                (next, position) = (last.next, last.position + 1)
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
