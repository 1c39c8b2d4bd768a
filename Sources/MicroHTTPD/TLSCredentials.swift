internal import CGnuTLS
package import GnuTLS
import Synchronization

/// A server's certificate and key, and the authorities of its clients, if they need a certificate too.
///
/// A session refers to these for as long as it lives: ``TLSTransport`` retains them.
@safe package final class TLSCredentials: @unchecked Sendable {
    let pointer: gnutls_certificate_credentials_t
    /// Whether a client needs a certificate that one of the authorities has signed.
    package let requiresClientCertificate: Bool
    /// When the certificate expires, in seconds since 1970.
    package private(set) var expires = Int64.max

    /// - Parameters:
    ///   - certificate: PEM; the server's certificate first, then its intermediate certificates.
    ///   - key: PEM, not encrypted.
    ///   - clientAuthorities: PEM; nil if clients need no certificate.
    package init(certificate: [UInt8], key: [UInt8], clientAuthorities: [UInt8]?) throws(TLSError) {
        var allocated: gnutls_certificate_credentials_t?
        try TLSError.check(unsafe gnutls_certificate_allocate_credentials(&allocated))
        guard let pointer = unsafe allocated else { throw TLSError("there is no memory left") }
        unsafe self.pointer = pointer
        requiresClientCertificate = clientAuthorities != nil
        try TLSError.check(
            unsafe certificate.withDatum { certificate in
                unsafe key.withDatum { key in
                    unsafe gnutls_certificate_set_x509_key_mem2(
                        pointer, &certificate, &key, GNUTLS_X509_FMT_PEM, /* password: */ nil, /* flags: */ 0)
                }
            })
        if let clientAuthorities { try trust(clientAuthorities) }
        expires = leafExpiry ?? .max
    }

    deinit { unsafe gnutls_certificate_free_credentials(pointer) }

    private func trust(_ authorities: [UInt8]) throws(TLSError) {
        let count = unsafe authorities.withDatum {
            unsafe gnutls_certificate_set_x509_trust_mem(pointer, &$0, GNUTLS_X509_FMT_PEM)
        }
        try TLSError.check(count)
        if count == 0 { throw TLSError("there is no certificate in the file of the clients' authorities") }
    }

    private var leafExpiry: Int64? {
        var list: UnsafeMutablePointer<gnutls_x509_crt_t?>?
        var count: CUnsignedInt = 0
        guard unsafe gnutls_certificate_get_x509_crt(pointer, /* index: */ 0, &list, &count) == 0,
            let list = unsafe list
        else { return nil }
        defer {
            for index in 0..<Int(count) { unsafe gnutls_x509_crt_deinit(list[index]) }
            unsafe cgnutls_free(list)
        }
        return count > 0 ? Int64(unsafe gnutls_x509_crt_get_expiration_time(list[0])) : nil
    }
}

/// The credentials that new connections get; those that are open keep theirs.
package final class CurrentCredentials: Sendable {
    private let current: Mutex<TLSCredentials>

    package init(_ credentials: TLSCredentials) { current = Mutex(credentials) }

    package func replace(with credentials: TLSCredentials) { current.withLock { $0 = credentials } }

    var value: TLSCredentials { current.withLock { $0 } }
}

extension [UInt8] {
    /// Shows the bytes as GnuTLS takes them: it does not change them.
    fileprivate func withDatum(_ body: (inout gnutls_datum_t) -> CInt) -> CInt {
        unsafe withUnsafeBufferPointer { bytes in
            var datum = unsafe gnutls_datum_t(
                data: UnsafeMutablePointer(mutating: bytes.baseAddress), size: CUnsignedInt(clamping: bytes.count))
            return unsafe body(&datum)
        }
    }
}
