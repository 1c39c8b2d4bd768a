import HTTPClient

/// The servers whose text a server replicates.
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

    /// The servers, once everything else about them has been checked, too.
    func servers() throws(ServerError) -> [ServerURL] {
        guard !urls.isEmpty else {
            throw .invalidOption(name: ServerOption.follow.name, problem: "has no URL: give that of a server.")
        }
        var servers: [ServerURL] = []
        for text in urls {
            guard let url = ServerURL(text), url.path.isEmpty || url.path == "/" else {
                throw .invalidOption(
                    name: ServerOption.follow.name,
                    problem:
                        "'\(text)' is not the URL of a server: use http://HOST:PORT, https://HOST:PORT or unix:PATH, "
                        + "without a path.")
            }
            servers.append(url)
        }
        try identity.check(ServerOption.followCA, ServerOption.followCert)
        return servers
    }
}
