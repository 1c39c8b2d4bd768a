internal import CGnuTLS
import HTTPMessages

/// Digests of bytes, by GnuTLS.
package enum Digest {
    /// The SHA-256 digest in Base64, as a `Content-Security-Policy` has it.
    package static func sha256(_ bytes: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        let result = unsafe gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, bytes.count, &digest)
        precondition(result == 0, "GnuTLS has no SHA-256")
        return Base64.encode(digest)
    }
}
