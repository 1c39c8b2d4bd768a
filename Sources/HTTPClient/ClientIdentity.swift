package import GnuTLS

/// The credentials that a client presents, and those that it demands of the server.
package struct ClientIdentity: Sendable {
    /// For `Authorization: Bearer`; nil for none.
    package var token: String?
    /// The PEM file of the authorities of which one must have signed the server's certificate; nil for the system's.
    package var authorities: String?
    /// The name that the server's certificate must have; nil for the host in the URL.
    package var serverName: String?
    /// The PEM file of the client's own certificate; nil for none.
    package var certificate: String?
    /// The PEM file of its key; nil if it is in the same file.
    package var key: String?

    package init() {}

    /// Checks that the files can be used.
    package func check() throws(TLSError) { try TLSClient.check(forTLS) }

    var forTLS: TLSClient.Identities {
        TLSClient.Identities(authorities: authorities, own: certificate.map { ($0, key ?? $0) })
    }
}
