internal import CGnuTLS
internal import Glibc
import LinuxSystem

/// A socket through TLS, on the session that libmicrohttpd has made for its connection.
///
/// At any time one thread uses the session, for sending and receiving alike:
/// - the loop's own thread, from accepting the connection until it is handed over, in the calls of libmicrohttpd and in
///   between (``Waker/sendLastMessages()``);
/// - the hub's thread, while libmicrohttpd has the connection suspended. Taking it over and giving it back pass through
///   locks, which order the two.
///
/// The watchdog's thread never does: libmicrohttpd frees the session before it says that the connection is closed. All that
/// it does to a connection is to shut its socket down, and it has the loop's thread send a last message.
@safe final class TLSTransport: Transport, @unchecked Sendable {
    let descriptor: CInt
    /// Nil once libmicrohttpd has freed it.
    private var session: gnutls_session_t?
    /// The session refers to them.
    private let credentials: TLSCredentials
    /// How many bytes of a record that has not left yet were reported as sent; nil if all records have left.
    private var reportedByteCount: Int?
    private var isGathering = false
    private var knownNames: [String]?
    private var input = TLSInput()
    /// Called when the handshake has to wait for the client; nil once it is over.
    private var awaitHandshake: (() -> Void)?

    /// The most bytes of a record.
    private static let recordByteCount = 16 << 10
    /// The most bytes of a response's body that are sent in one record with the head.
    private static let gatheredByteCount = 4 << 10

    /// Prepares the session of a connection that has just been accepted.
    ///
    /// - Parameter awaitHandshake: called, in the loop's thread, when the handshake has to wait for the client.
    init(
        _ session: gnutls_session_t, _ descriptor: CInt, _ credentials: TLSCredentials,
        awaitHandshake: @escaping () -> Void
    ) {
        self.awaitHandshake = awaitHandshake
        unsafe self.session = session
        self.descriptor = descriptor
        self.credentials = credentials
        // If this failed, the session would have libmicrohttpd's credentials, without a certificate: no handshake.
        _ = unsafe gnutls_credentials_set(
            session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials.pointer))
        if credentials.requiresClientCertificate { unsafe PeerCertificate.require(in: session) }
        // Not retained: the session is freed first.
        unsafe gnutls_transport_set_ptr2(
            session, Unmanaged.passUnretained(self).toOpaque(),
            UnsafeMutableRawPointer(bitPattern: Int(descriptor)))
        unsafe gnutls_transport_set_pull_function(session) { object, target, byteCount in
            guard let object = unsafe object, let target = unsafe target else { return -1 }
            return unsafe Unmanaged<TLSTransport>.fromOpaque(object)._withUnsafeGuaranteedRef {
                unsafe $0.receive(UnsafeMutableRawBufferPointer(start: target, count: byteCount))
            }
        }
        unsafe gnutls_handshake_set_hook_function(
            session, /* GNUTLS_HANDSHAKE_ANY: */ .max, CInt(GNUTLS_HOOK_PRE)
        ) { session, kind, _, isIncoming, message in
            guard isIncoming != 0, let session = unsafe session else { return 0 }
            if kind == GNUTLS_HANDSHAKE_FINISHED.rawValue, let object = unsafe gnutls_transport_get_ptr(session) {
                // The client's last message.
                unsafe Unmanaged<TLSTransport>.fromOpaque(object)._withUnsafeGuaranteedRef { $0.awaitHandshake = nil }
            } else if kind == GNUTLS_HANDSHAKE_CERTIFICATE_PKT.rawValue, let message = unsafe message {
                unsafe PeerCertificate.received(message.pointee, in: session)
            }
            return 0
        }
    }

    private func receive(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let count = unsafe input.receive(target, from: descriptor)
        if count < 0, errno == EAGAIN { awaitHandshake?() }
        return count
    }

    var isForOneThread: Bool { true }

    func forget() { unsafe session = nil }

    /// Sends as much as can be sent at once.
    ///
    /// Once GnuTLS has encrypted a record, it keeps it, and what the record contains is as good as sent: it cannot be
    /// replaced. But only when the record has left does GnuTLS tell how much it contains. Until then one byte of it is
    /// reported, so that the caller, which never ends with the first byte of a message, goes on after it.
    func send(_ bytes: Span<UInt8>) throws(SystemError) -> Int {
        guard let session = unsafe session else { throw SystemError(call: "gnutls_record_send", code: ENOTCONN) }
        var sent = 0
        while reportedByteCount != nil || sent < bytes.count {
            let isNew = reportedByteCount == nil
            let piece = bytes.extracting(droppingFirst: sent).extracting(
                first: min(bytes.count - sent, Self.recordByteCount))
            // GnuTLS wants the bytes of a record that it has already again, or none.
            let result = unsafe piece.withUnsafeBytes { piece in
                unsafe gnutls_record_send(session, isNew ? piece.baseAddress : nil, isNew ? piece.count : 0)
            }
            switch CInt(clamping: result) {
            case 0...:
                sent += result - (reportedByteCount ?? 0)
                reportedByteCount = nil
            case GNUTLS_E_AGAIN, GNUTLS_E_INTERRUPTED:
                if isNew {
                    let reported = piece.count > 1 ? 1 : 0
                    reportedByteCount = reported
                    sent += reported
                }
                if result == Int(GNUTLS_E_AGAIN) { return sent }
            default: throw SystemError(call: "gnutls_record_send", code: EPIPE)
            }
        }
        return sent
    }

    /// Has GnuTLS hold back the head of a response, so that it leaves in one record with the body.
    ///
    /// libmicrohttpd cannot learn that the client has stopped reading while GnuTLS holds a record back. So this does nothing
    /// unless the socket is sure to take the record.
    func gather(byteCount: Int) {
        guard byteCount <= Self.gatheredByteCount, Socket.hasAcknowledgedAll(descriptor), let session = unsafe session
        else { return }
        unsafe gnutls_record_cork(session)
        isGathering = true
    }

    func sendGathered() {
        guard isGathering, let session = unsafe session else { return }
        isGathering = false
        // Fails only if the client has left, or the system is out of memory.
        if unsafe gnutls_record_uncork(session, 0) < 0 { close() }
        Socket.uncork(descriptor)
    }

    func awaitReadiness(in epoll: borrowing Epoll) throws(SystemError) { try epoll.add(socket: descriptor) }

    func stopAwaitingReadiness(in epoll: borrowing Epoll) { epoll.remove(socket: descriptor) }

    var silenceMilliseconds: Int? { Socket.silenceMilliseconds(of: descriptor) }

    func limitSilence(milliseconds: Int) { Socket.limitSilence(of: descriptor, milliseconds: milliseconds) }

    func finishSending() {
        // Says that this is the end and not a cut, and sends what is left of a record before.
        if let session = unsafe session { unsafe gnutls_bye(session, GNUTLS_SHUT_WR) }
        Socket.finishSending(descriptor)
    }

    func close() { Socket.shutDown(descriptor) }

    var clientNames: [String] {
        if let knownNames { return knownNames }
        let names = unsafe session.map { unsafe PeerCertificate.names(of: $0) } ?? []
        knownNames = names
        return names
    }
}
