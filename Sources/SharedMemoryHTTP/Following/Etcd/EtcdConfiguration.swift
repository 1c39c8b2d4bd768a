import Etcd
import GnuTLS
import HTTPClient

/// The etcd cluster that has a server's text.
public struct EtcdConfiguration: Sendable {
    /// `http://HOST:PORT` or `https://HOST:PORT` of each member, in the order in which they are tried.
    public var urls: [String]
    /// What the keys begin with: those of the text NAME are `PREFIX/NAME/text` and `PREFIX/NAME/write`.
    public var prefix = "/sharedmem"
    /// The user of etcd; nil if etcd has no users.
    public var user: (name: String, password: String)?
    /// A PEM file of the authorities of which one must have signed the members' certificates; nil for the system's.
    public var authorities: String?
    /// A PEM file with a certificate to present, if etcd requires one; without a common name, if etcd has users.
    public var certificate: String?
    /// The PEM file with its key; nil if it is in the same file.
    public var key: String?

    public init(_ urls: [String]) { self.urls = urls }

    private var identity: ClientIdentity {
        var identity = ClientIdentity()
        identity.authorities = authorities
        identity.certificate = certificate
        identity.key = key
        return identity
    }

    /// The cluster, once everything about it has been checked.
    func cluster() throws(ServerError) -> EtcdCluster {
        guard !urls.isEmpty else {
            throw .invalidOption(name: ServerOption.etcd.name, problem: "has no URL: give that of a member.")
        }
        var members: [ServerURL] = []
        for text in urls {
            guard let url = ServerURL(text), case .tcp = url.place, url.path.isEmpty || url.path == "/" else {
                throw .invalidOption(
                    name: ServerOption.etcd.name,
                    problem:
                        "'\(text)' is not the URL of a member: use http://HOST:PORT or https://HOST:PORT, without a path."
                )
            }
            members.append(url)
        }
        guard !prefix.isEmpty, !prefix.hasSuffix("/"), prefix.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalidOption(
                name: ServerOption.etcdPrefix.name,
                problem:
                    "'\(prefix)' is no prefix of keys: use visible ASCII characters without a slash at the end, as /sharedmem."
            )
        }
        try identity.check(ServerOption.etcdCA, ServerOption.etcdCert)
        return EtcdCluster(members, identity, user.map { EtcdUser(name: $0.name, password: $0.password) })
    }
}

extension ClientIdentity {
    /// Checks that the files can be used.
    ///
    /// - Parameters:
    ///   - ca: the option that names the authorities.
    ///   - cert: the option that names the certificate.
    func check(_ ca: ServerOption, _ cert: ServerOption) throws(ServerError) {
        var authoritiesAlone = ClientIdentity()
        authoritiesAlone.authorities = authorities
        for (identity, option) in [(authoritiesAlone, ca), (self, cert)] {
            do throws(TLSError) {
                try identity.check()
            } catch {
                throw .invalidOption(name: option.name, problem: "does not work: \(error.reason).")
            }
        }
    }
}
