import HTTPMessages
import LinuxSystem
import MicroHTTPD

/// The rules of access at one address, as of one moment.
///
/// A request is judged by one of these from its head to its reply, even if the tokens are replaced meanwhile.
final class Access: Sendable {
    /// Reads a head with the tokens and hosts of this address.
    let policy: AccessPolicy
    private let tokens: [AccessToken]
    /// Nil if the address admits all local users.
    private let peers: AllowedPeers?
    /// Nil if clients need no certificate.
    private let clients: ClientRoles?

    init(_ tokens: [AccessToken], hosts: AllowedHosts?, peers: AllowedPeers?, clients: ClientRoles? = nil) {
        policy = AccessPolicy(tokens: tokens.map(\.bearer), hosts: hosts)
        (self.tokens, self.peers, self.clients) = (tokens, peers, clients)
    }

    /// Why a request may not be carried out; nil if it may.
    ///
    /// - Parameters:
    ///   - role: what the request needs.
    ///   - segment: the name of the segment that it is about, whether or not it is served; nil for no particular one.
    func problem(
        _ request: Request, _ head: RequestHead, needs role: AccessToken.Role, for segment: @autoclosure () -> String?
    ) -> Problem? {
        switch head.authorization {
        case .granted(nil):
            if let clients {
                return problem(request, clients, orElse: .unnamedCertificate, needs: role, for: segment())
            }
            return peers?.allow(request) == false ? .wrongPeer : nil
        case .granted(let index?): return problem(with: tokens[index], needs: role, for: segment())
        case .wrong: return .wrongToken
        case .missing:
            if let clients { return problem(request, clients, orElse: .noToken, needs: role, for: segment()) }
            return peers?.allow(request) == true ? nil : .noToken
        }
    }

    /// The name of the token or of the certificate's role with which a request is judged, if it has one.
    func clientName(_ request: Request, _ head: RequestHead) -> String? {
        switch head.authorization {
        case .granted(let index?): tokens[index].name
        case .granted(nil), .missing: clients?.entry(for: request.certificateNames)?.name
        case .wrong: nil
        }
    }

    /// The role of a client whose request may be carried out.
    func role(_ request: Request, _ head: RequestHead) -> AccessToken.Role {
        switch head.authorization {
        case .granted(let index?): tokens[index].role
        case .granted(nil), .missing: clients?.entry(for: request.certificateNames)?.role ?? .admin
        case .wrong: .read
        }
    }

    /// The patterns of the names that a client may know of; empty for all.
    func patterns(_ request: Request, _ head: RequestHead) -> [String] {
        switch head.authorization {
        case .granted(let index?): tokens[index].segments
        case .granted(nil), .missing: clients?.entry(for: request.certificateNames)?.segments ?? []
        case .wrong: []
        }
    }

    /// Judges a client by its certificate.
    ///
    /// Not inlined: most requests come without a certificate.
    ///
    /// - Parameter unnamed: what to tell a client whose certificate no entry names.
    @inline(never)
    private func problem(
        _ request: Request, _ clients: ClientRoles, orElse unnamed: Problem, needs role: AccessToken.Role,
        for segment: String?
    ) -> Problem? {
        guard let entry = clients.entry(for: request.certificateNames) else { return unnamed }
        if entry.hasExpired(at: Clock.realtimeSeconds) { return .expiredCertificateRole }
        if let segment, !entry.isFor(segment) { return .otherSegmentOfCertificate }
        return entry.role < role ? .wrongCertificateRole(has: entry.role.rawValue, needs: role.rawValue) : nil
    }

    private func problem(with token: AccessToken, needs role: AccessToken.Role, for segment: String?) -> Problem? {
        if token.hasExpired(at: Clock.realtimeSeconds) { return .expiredToken }
        if let segment, !token.isFor(segment) { return .otherSegment }
        return token.role < role ? .wrongRole(has: token.role.rawValue, needs: role.rawValue) : nil
    }
}

/// The local users and groups whose processes can read and set the text through a Unix socket without a token.
struct AllowedPeers: Sendable {
    private let users: Set<UInt32>
    private let groups: Set<UInt32>

    /// Nil if there are none.
    init?(users: Set<UInt32>, groups: Set<UInt32>) {
        if users.isEmpty, groups.isEmpty { return nil }
        (self.users, self.groups) = (users, groups)
    }

    /// Whether the process that has connected runs as one of the users, or as a member of one of the groups.
    func allow(_ request: Request) -> Bool {
        guard let peer = request.peer else { return false }
        return users.contains(peer.user) || groups.contains(peer.group)
            || !groups.isEmpty && !groups.isDisjoint(with: request.peerGroups)
    }
}
