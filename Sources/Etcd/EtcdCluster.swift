package import HTTPClient
import HTTPMessages
import LinuxSystem
import Synchronization

/// A user of etcd.
package struct EtcdUser: Sendable {
    package let name: String
    package let password: String

    package init(name: String, password: String) { (self.name, self.password) = (name, password) }
}

/// The members of an etcd cluster, and the token that all of them accept.
package final class EtcdCluster: Sendable {
    package let members: [ServerURL]
    private let identity: ClientIdentity
    private let user: EtcdUser?
    private let login = Mutex(Login())

    private struct Login {
        var token: String?
        /// The last refusal, and when it came: a login costs etcd a tenth of a second of CPU.
        var refusal: (fault: EtcdFault, moment: Int)?
    }

    private static let pauseAfterRefusalMilliseconds = 5000

    /// - Parameter members: at least one.
    package init(_ members: [ServerURL], _ identity: ClientIdentity, _ user: EtcdUser?) {
        (self.members, self.identity, self.user) = (members, identity, user)
    }

    package func connect(to member: ServerURL, _ limits: ClientLimits) throws(EtcdFault) -> EtcdConnection {
        EtcdConnection(try http(member, limits), to: member, of: self)
    }

    private func http(_ member: ServerURL, _ limits: ClientLimits) throws(EtcdFault) -> HTTPConnection {
        do throws(HTTPFault) {
            return try HTTPConnection(to: member, limits, identity)
        } catch {
            throw .http(error)
        }
    }

    // MARK: Login

    var hasUser: Bool { user != nil }

    /// Nil if none is needed, or before the first login.
    var token: String? { login.withLock { $0.token } }

    /// Gets a token from a member.
    ///
    /// - Parameter rejected: the token that etcd has rejected; nil for none.
    func logIn(at member: ServerURL, insteadOf rejected: String?, _ limits: ClientLimits) throws(EtcdFault) {
        guard let user else {
            throw .refused(status: 401, message: "it has users, and none is given: give --etcd-user-file")
        }
        let refusal = login.withLock { login in
            login.refusal.flatMap {
                Clock.coarseMilliseconds - $0.moment < Self.pauseAfterRefusalMilliseconds ? $0.fault : nil
            }
        }
        if let refusal { throw refusal }
        // Another thread may have a new one.
        if token != rejected { return }
        var body: [UInt8] = Array("{\"name\":".utf8)
        body.append(jsonString: user.name)
        body += Array(",\"password\":".utf8)
        body.append(jsonString: user.password)
        body += Array("}".utf8)
        let connection = try connect(to: member, limits)
        do throws(EtcdFault) {
            let answer = try connection.exchange("/v3/auth/authenticate", body, token: nil)
            guard let token = answer["token"]?.string else { throw .malformed(reason: "a login brings no token") }
            login.withLock { $0 = Login(token: token) }
        } catch let error where error.saysThatThereAreNoUsers {
            login.withLock { $0 = Login() }
        } catch {
            // A member without a leader refuses, too, and the next one may not.
            if error.isForPermission { login.withLock { $0.refusal = (error, Clock.coarseMilliseconds) } }
            throw error
        }
    }
}
