/// What a client whose certificate has this name may do.
public struct ClientRole: Hashable, Sendable, AccessGrant {
    /// The certificate's common name, or one of the DNS names or URIs of its subject alternative names; `*` for every
    /// certificate that no other entry names.
    public let certificateName: String
    public let role: AccessToken.Role
    /// A name for people.
    public let name: String?
    /// The segments that it is for, as in ``AccessToken/segments``.
    public let segments: [String]
    /// When it expires, in seconds since 1970; nil for never.
    public let expires: Int64?

    public init(
        _ certificateName: String, role: AccessToken.Role = .write, name: String? = nil, segments: [String] = [],
        expires: Int64? = nil
    ) {
        (self.certificateName, self.role, self.name) = (certificateName, role, name)
        (self.segments, self.expires) = (segments, expires)
    }

    /// Reads the content of a file of client roles.
    ///
    /// One entry a line: `NAME [role=read|write|admin] [name=NAME] [segments=PATTERN,…] [expires=DATE]`, as in a token file.
    ///
    /// - Returns: at least one entry.
    public static func parse(file content: String) throws(TokenFileError) -> [ClientRole] {
        let roles = try AccessEntry.parse(file: content, of: "name") {
            (entry, roles: [ClientRole]) throws(AccessEntry.Fault) in
            guard !roles.contains(where: { $0.certificateName == entry.subject }) else {
                throw AccessEntry.Fault("this name is in an earlier line. Remove one of them.")
            }
            return ClientRole(
                entry.subject, role: entry.role, name: entry.name, segments: entry.segments, expires: entry.expires)
        }
        if roles.isEmpty { throw TokenFileError(line: nil, problem: "there is no entry. Write one to each line.") }
        return roles
    }
}

/// The roles of the clients of an address where each needs a certificate.
final class ClientRoles: Sendable {
    private let entries: [ClientRole]
    private let indices: [String: Int]

    init(_ entries: [ClientRole]) {
        self.entries = entries
        indices = Dictionary(entries.enumerated().map { ($1.certificateName, $0) }) { first, _ in first }
    }

    /// The first entry that names the certificate, or else `*`; nil if there is neither.
    func entry(for names: [String]) -> ClientRole? {
        (names.compactMap { $0 == "*" ? nil : indices[$0] }.min() ?? indices["*"]).map { entries[$0] }
    }
}
