internal import CGnuTLS
internal import Glibc

/// The certificate that the other side of a session has presented.
enum PeerCertificate {
    /// The most names of one kind; an honest certificate has no more.
    private static let maximumCount: CUnsignedInt = 64
    private static let maximumByteCount = 1 << 10

    /// The certificate's common names, and the DNS names and URIs of its subject alternative names; none without one.
    ///
    /// The handshake has verified it. Names with anything but visible ASCII characters are left out: what a file of names
    /// cannot contain matches nothing.
    static func names(of session: gnutls_session_t) -> [String] {
        var count: CUnsignedInt = 0
        var certificate: gnutls_x509_crt_t?
        guard let chain = unsafe gnutls_certificate_get_peers(session, &count), count > 0,
            unsafe gnutls_x509_crt_init(&certificate) == 0, let certificate = unsafe certificate
        else { return [] }
        defer { unsafe gnutls_x509_crt_deinit(certificate) }
        guard unsafe gnutls_x509_crt_import(certificate, chain, GNUTLS_X509_FMT_DER) == 0 else { return [] }
        return unsafe commonNames(of: certificate) + alternativeNames(of: certificate)
    }

    private static func commonNames(of certificate: gnutls_x509_crt_t) -> [String] {
        unsafe names { index, buffer, byteCount in
            unsafe gnutls_x509_crt_get_dn_by_oid(
                certificate, GNUTLS_OID_X520_COMMON_NAME, index, /* raw_flag: */ 0, buffer, byteCount)
        }
    }

    private static func alternativeNames(of certificate: gnutls_x509_crt_t) -> [String] {
        unsafe names { index, buffer, byteCount in
            let kind = unsafe gnutls_x509_crt_get_subject_alt_name(certificate, index, buffer, byteCount, nil)
            if kind < 0 { return kind }
            let counts = [GNUTLS_SAN_DNSNAME, GNUTLS_SAN_URI].contains { CInt($0.rawValue) == kind }
            return counts ? 0 : GNUTLS_E_SHORT_MEMORY_BUFFER
        }
    }

    /// - Parameter read: writes the name of an index to a buffer, and returns 0 or one of GnuTLS's errors.
    private static func names(
        _ read: (CUnsignedInt, UnsafeMutablePointer<CChar>, UnsafeMutablePointer<Int>) -> CInt
    ) -> [String] {
        var names: [String] = []
        var buffer = [CChar](repeating: 0, count: maximumByteCount)
        for index in 0..<maximumCount {
            var byteCount = buffer.count
            let result = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
                guard let start = buffer.baseAddress else { return GNUTLS_E_SHORT_MEMORY_BUFFER }
                return unsafe read(index, start, &byteCount)
            }
            if result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE { break }
            // Another kind, or too long to be meant.
            guard result == 0, byteCount <= buffer.count else { continue }
            let bytes = buffer.prefix(byteCount).map { UInt8(bitPattern: $0) }
            let isVisible = !bytes.isEmpty && bytes.allSatisfy { (0x21...0x7e).contains($0) }
            if isVisible { names.append(String(decoding: bytes, as: UTF8.self)) }
        }
        return names
    }
}

// MARK: Requiring a certificate of the client

extension PeerCertificate {
    /// Has the handshake fail without a certificate for clients that one of the authorities has signed.
    ///
    /// libmicrohttpd closes a connection whose handshake has failed without a word. The client is told why here, while the
    /// handshake still goes on.
    static func require(in session: gnutls_session_t) {
        unsafe gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE)
        unsafe gnutls_session_set_verify_function(session) { session in
            guard let session = unsafe session else { return GNUTLS_E_INTERNAL_ERROR }
            return unsafe PeerCertificate.verify(session)
        }
    }

    /// Looks at the message with the certificates of a client, before GnuTLS does.
    static func received(_ message: gnutls_datum_t, in session: gnutls_session_t) {
        // An empty list, with its length and in TLS 1.3 with that of its context; GnuTLS refuses it next.
        guard unsafe message.size <= 4 else { return }
        let isNewest = unsafe gnutls_protocol_get_version(session) == GNUTLS_TLS1_3
        unsafe tell(session, isNewest ? GNUTLS_A_CERTIFICATE_REQUIRED : GNUTLS_A_HANDSHAKE_FAILURE)
    }

    private static func tell(_ session: gnutls_session_t?, _ alert: gnutls_alert_description_t) {
        unsafe gnutls_alert_send(session, GNUTLS_AL_FATAL, alert)
    }

    private static func verify(_ session: gnutls_session_t) -> CInt {
        var purpose = Array(GNUTLS_KP_TLS_WWW_CLIENT.utf8CString).map { UInt8(bitPattern: $0) }
        var status: CUnsignedInt = 0
        let result = unsafe purpose.withUnsafeMutableBufferPointer { purpose in
            var data = unsafe gnutls_typed_vdata_st(
                type: GNUTLS_DT_KEY_PURPOSE_OID, data: purpose.baseAddress, size: 0)
            return unsafe gnutls_certificate_verify_peers(session, &data, 1, &status)
        }
        if result < 0 { return result }
        if status == 0 { return 0 }
        func has(_ fault: gnutls_certificate_status_t) -> Bool { status & CUnsignedInt(fault.rawValue) != 0 }
        let alert =
            has(GNUTLS_CERT_SIGNER_NOT_FOUND)
            ? GNUTLS_A_UNKNOWN_CA
            : has(GNUTLS_CERT_EXPIRED)
                ? GNUTLS_A_CERTIFICATE_EXPIRED
                : has(GNUTLS_CERT_PURPOSE_MISMATCH) ? GNUTLS_A_UNSUPPORTED_CERTIFICATE : GNUTLS_A_BAD_CERTIFICATE
        unsafe tell(session, alert)
        return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR
    }
}
