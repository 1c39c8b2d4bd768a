internal import CGnuTLS

/// Why GnuTLS refuses something.
package struct TLSError: Error {
    /// The end of a sentence, without its full stop.
    package let reason: String

    package init(_ reason: String) { self.reason = reason }

    /// - Parameter code: one of GnuTLS's, which are negative.
    package init(_ code: CInt) {
        let text = unsafe gnutls_strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
        reason = text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    package static func check(_ code: CInt) throws(TLSError) { if code < 0 { throw TLSError(code) } }
}
