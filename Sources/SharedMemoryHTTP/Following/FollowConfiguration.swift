import GnuTLS
import HTTPClient

/// The servers that a server follows: its text is theirs.
public struct FollowConfiguration: Sendable {
    /// `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH` of each, in the order in which they are tried.
    ///
    /// Each of them serves segments of the same names.
    public var urls: [String]
    /// The token to send them, as `Authorization: Bearer TOKEN`; nil for none.
    public var token: String?
    /// A PEM file of the authorities of which one must have signed their certificates; nil for the system's.
    public var authorities: String?
    /// A PEM file with a certificate to present, if they require one.
    public var certificate: String?
    /// The PEM file with its key; nil if it is in the same file.
    public var key: String?

    public init(_ urls: [String]) { self.urls = urls }

    var identity: ClientIdentity {
        var identity = ClientIdentity()
        identity.token = token
        identity.authorities = authorities
        identity.certificate = certificate
        identity.key = key
        return identity
    }

    func servers() throws(ServerError) -> [ServerURL] {
        guard !urls.isEmpty else { throw .invalidConfiguration("There is no server to follow: give its URL.") }
        var servers: [ServerURL] = []
        for text in urls {
            guard let url = ServerURL(text), url.path.isEmpty || url.path == "/" else {
                throw .invalidConfiguration(
                    "'\(text)' is not the URL of a server to follow: use http://HOST:PORT, https://HOST:PORT or unix:PATH, without a path."
                )
            }
            servers.append(url)
        }
        do throws(TLSError) {
            try identity.check()
        } catch {
            throw .invalidConfiguration("The certificates for the servers to follow cannot be used: \(error.reason).")
        }
        return servers
    }
}
