/// The protocols, ciphers and groups that are used, in GnuTLS's words.
///
/// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption, and nothing that a browser of the last ten years
/// would miss. There are no session tickets: each connection starts with a full handshake, which verifies
/// certificates.
package let tlsPriorities =
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-128-GCM:"
    + "+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:%NO_TICKETS:%SERVER_PRECEDENCE"
