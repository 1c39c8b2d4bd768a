internal import CGnuTLS
internal import Glibc
package import LinuxSystem

/// The client's side of a connection with TLS, on a socket that is connected and does not block.
@safe package final class TLSClient {
    private let session: gnutls_session_t
    private let credentials: gnutls_certificate_credentials_t
    /// The session refers to it.
    private let name: UnsafeMutablePointer<CChar>?
    private let wait: (Socket.Readiness) throws(TLSError) -> Void

    /// What the server must prove, and what the client proves to it.
    package struct Identities {
        /// The file of the authorities of which one must have signed the server's certificate; nil for the system's.
        package var authorities: String?
        /// The files of the client's own certificate and key, if the server requires one.
        package var own: (certificate: String, key: String)?

        package init(authorities: String?, own: (certificate: String, key: String)?) {
            (self.authorities, self.own) = (authorities, own)
        }
    }

    /// Shakes hands.
    ///
    /// - Parameters:
    ///   - name: the name or the address that the server's certificate must have.
    ///   - wait: waits until the socket is ready, or throws when the time is up.
    package init(
        _ socket: borrowing Socket, serverName name: String, _ identities: Identities,
        wait: @escaping (Socket.Readiness) throws(TLSError) -> Void
    ) throws(TLSError) {
        let credentials = unsafe try Self.credentials(identities)
        var session: gnutls_session_t?
        let flags = GNUTLS_CLIENT.rawValue | GNUTLS_NONBLOCK.rawValue | GNUTLS_NO_SIGNAL.rawValue
        guard unsafe gnutls_init(&session, CUnsignedInt(flags)) == 0, let session = unsafe session else {
            unsafe gnutls_certificate_free_credentials(credentials)
            throw TLSError("there is no memory left")
        }
        unsafe (self.session, self.credentials, self.name) = (session, credentials, strdup(name))
        self.wait = wait
        try TLSError.check(unsafe gnutls_priority_set_direct(session, tlsPriorities, nil))
        try TLSError.check(
            unsafe gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials)))
        // An address is no name to ask for (RFC 6066, 3).
        if !Self.isAddress(name) {
            try TLSError.check(unsafe gnutls_server_name_set(session, GNUTLS_NAME_DNS, name, name.utf8.count))
        }
        unsafe gnutls_session_set_verify_cert(session, self.name, /* flags: */ 0)
        unsafe gnutls_transport_set_int2(session, socket.descriptor, socket.descriptor)
        do throws(TLSError) {
            _ = try complete { unsafe Int(gnutls_handshake(session)) }
        } catch {
            throw unsafe Self.verificationFault(of: session) ?? error
        }
    }

    deinit {
        unsafe gnutls_deinit(session)
        unsafe gnutls_certificate_free_credentials(credentials)
        unsafe free(name)
    }

    /// Checks that the files can be used.
    package static func check(_ identities: Identities) throws(TLSError) {
        unsafe gnutls_certificate_free_credentials(try credentials(identities))
    }

    package func send(_ text: String) throws(TLSError) { try send(Array(text.utf8)) }

    package func send(_ bytes: [UInt8]) throws(TLSError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = try complete {
                unsafe rest.withUnsafeBytes { unsafe gnutls_record_send(session, $0.baseAddress, $0.count) }
            }
            rest = rest.dropFirst(count)
        }
    }

    /// Receives at most so many bytes; none at the end.
    package func receive(limit: Int) throws(TLSError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = try complete {
            unsafe bytes.withUnsafeMutableBytes { unsafe gnutls_record_recv(session, $0.baseAddress, $0.count) }
        }
        return Array(bytes.prefix(count))
    }

    /// Calls again, once the socket is ready, until the call is done.
    private func complete(_ call: () -> Int) throws(TLSError) -> Int {
        while true {
            let result = call()
            switch CInt(clamping: result) {
            case GNUTLS_E_INTERRUPTED: continue
            case GNUTLS_E_AGAIN: try wait(unsafe gnutls_record_get_direction(session) == 0 ? .readable : .writable)
            case GNUTLS_E_FATAL_ALERT_RECEIVED:
                let alert = unsafe gnutls_alert_get_name(gnutls_alert_get(session))
                throw TLSError(
                    "the server ends the connection with the alert '\(unsafe alert.map { unsafe String(cString: $0) } ?? "")'"
                )
            case ..<0: throw TLSError(CInt(clamping: result))
            default: return result
            }
        }
    }

    /// What is wrong with the server's certificate; nil if nothing is, or none has arrived.
    private static func verificationFault(of session: gnutls_session_t) -> TLSError? {
        let status = unsafe gnutls_session_get_verify_cert_status(session)
        var text = unsafe gnutls_datum_t()
        guard status != 0, status != .max,
            unsafe gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, /* flags: */ 0) == 0,
            let start = unsafe text.data
        else { return nil }
        defer { unsafe cgnutls_free(start) }
        let words = unsafe String(decoding: UnsafeBufferPointer(start: start, count: Int(text.size)), as: UTF8.self)
        return TLSError(words.split { ". \0".contains($0) }.joined(separator: " "))
    }

    private static func isAddress(_ name: String) -> Bool {
        var address = in6_addr()
        return unsafe inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1
    }

    private static func credentials(_ identities: Identities) throws(TLSError) -> gnutls_certificate_credentials_t {
        var allocated: gnutls_certificate_credentials_t?
        try TLSError.check(unsafe gnutls_certificate_allocate_credentials(&allocated))
        guard let credentials = unsafe allocated else { throw TLSError("there is no memory left") }
        do throws(TLSError) {
            try TLSError.check(
                unsafe identities.authorities.map {
                    unsafe gnutls_certificate_set_x509_trust_file(credentials, $0, GNUTLS_X509_FMT_PEM)
                } ?? gnutls_certificate_set_x509_system_trust(credentials))
            if let own = identities.own {
                try TLSError.check(
                    unsafe gnutls_certificate_set_x509_key_file(
                        credentials, own.certificate, own.key, GNUTLS_X509_FMT_PEM))
            }
        } catch {
            unsafe gnutls_certificate_free_credentials(credentials)
            throw TLSError("the files of certificates cannot be used: \(error.reason)")
        }
        return unsafe credentials
    }
}
