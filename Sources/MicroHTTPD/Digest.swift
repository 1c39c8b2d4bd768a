internal import CGnuTLS

/// Digests of bytes, by GnuTLS.
package enum Digest {
    /// The SHA-256 digest in Base64, as a `Content-Security-Policy` has it.
    package static func sha256(_ bytes: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        let result = unsafe gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, bytes.count, &digest)
        precondition(result == 0, "GnuTLS has no SHA-256")
        return base64(digest)
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let characters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start...].prefix(3)
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 { text.append(place <= group.count ? characters[bits >> (18 - 6 * place) & 63] : "=") }
        }
        return text
    }
}
