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

    init(_ tokens: [AccessToken], hosts: AllowedHosts?, peers: AllowedPeers?) {
        policy = AccessPolicy(tokens: tokens.map(\.bearer), hosts: hosts)
        (self.tokens, self.peers) = (tokens, peers)
    }

    /// Why a request may not be carried out; nil if it may.
    ///
    /// - Parameters:
    ///   - role: what the request needs.
    ///   - segment: the name of the segment that it is about, whether or not it is served; nil for no one in particular.
    func problem(
        _ request: Request, _ head: RequestHead, needs role: AccessToken.Role, for segment: @autoclosure () -> String?
    ) -> Problem? {
        switch head.authorization {
        case .granted(nil): return peers?.allow(request) == false ? .wrongPeer : nil
        case .granted(let index?): return problem(with: tokens[index], needs: role, for: segment())
        case .wrong: return .wrongToken
        case .missing: return peers?.allow(request) == true ? nil : .noToken
        }
    }

    /// The name of the token that a request presents, if it has one.
    func tokenName(_ head: RequestHead) -> String? {
        if case .granted(let index?) = head.authorization { tokens[index].name } else { nil }
    }

    /// The patterns of the names that a client may know of; empty for all.
    func patterns(_ head: RequestHead) -> [String] {
        if case .granted(let index?) = head.authorization { tokens[index].segments } else { [] }
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
