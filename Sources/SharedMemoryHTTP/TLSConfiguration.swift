import GnuTLS
import MicroHTTPD

/// The certificate of the `https` addresses, and the clients that may connect to them.
public struct TLSConfiguration: Sendable {
    /// PEM: the server's certificate first, then its intermediate certificates.
    public var certificate: [UInt8]
    /// PEM: the key of the certificate, not encrypted.
    public var key: [UInt8]
    /// PEM: the authorities, one of which must have signed a client's certificate; nil if clients need no certificate.
    ///
    /// Without ``ServerConfiguration/tokens`` and ``clientRoles``, a client with such a certificate may set the text.
    public var clientAuthorities: [UInt8]?
    /// The roles of clients by the names in their certificates; such a client needs no token.
    public var clientRoles: [ClientRole] = []

    public init(certificate: [UInt8], key: [UInt8]) { (self.certificate, self.key) = (certificate, key) }

    /// - Throws: ``ServerError/invalidCertificate(reason:)``
    func credentials() throws(ServerError) -> TLSCredentials {
        do throws(TLSError) {
            return try TLSCredentials(certificate: certificate, key: key, clientAuthorities: clientAuthorities)
        } catch {
            throw .invalidCertificate(reason: error.reason)
        }
    }
}

extension TLSConfiguration: CustomReflectable {
    // A dump would show the key.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
