import Foundation
import GnuTLS
import HTTPMessages
import LinuxSystem
import MicroHTTPD
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// What is offered and refused at an address with TLS, as clients that are not ours see it.
@Suite("TLS", .fewAtATime)
struct TLSTests {
    // MARK: Protocols and ciphers

    /// Whether OpenSSL gets a session; with the security level 0, it would take anything.
    private func isAccepted(_ server: TestServer, _ arguments: String...) async throws -> Bool {
        guard case .https(let host, let port) = server.address else { return false }
        let result = try await ChildProcess.run(
            "openssl", ["s_client", "-connect", "\(host):\(port)", "-brief"] + arguments)
        return result.status == 0 && result.errors.contains("CONNECTION ESTABLISHED")
    }

    @Test(
        "Of the protocols, TLS 1.2 and 1.3 are accepted, and nothing older",
        arguments: [("-tls1", false), ("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)])
    func protocols(_ version: String, _ isGood: Bool) async throws {
        let server = try await TestServer.encrypted()
        #expect(try await isAccepted(server, version, "-cipher", "ALL:@SECLEVEL=0") == isGood)
    }

    @Test(
        "GnuTLS's client finds the same protocols",
        arguments: [("VERS-TLS1.0", false), ("VERS-TLS1.1", false), ("VERS-TLS1.2", true), ("VERS-TLS1.3", true)])
    func protocolsOfGnuTLS(_ version: String, _ isGood: Bool) async throws {
        let server = try await TestServer.encrypted()
        guard case .https(_, let port) = server.address else { return }
        let result = try await ChildProcess.run(
            "gnutls-cli",
            [
                "--x509cafile", try await TestCertificates.shared().certificate("ca"), "--port", "\(port)",
                "--priority",
                "LEGACY:-VERS-ALL:+\(version)", "localhost",
            ], input: Data("GET /livez HTTP/1.0\r\n\r\n".utf8))
        #expect(result.text.contains("alive") == isGood, "\(result.text)")
    }

    @Test(
        "Only ciphers with forward secrecy and authenticated encryption are accepted",
        arguments: [
            ("ECDHE-ECDSA-AES128-GCM-SHA256", true), ("ECDHE-ECDSA-AES256-GCM-SHA384", true),
            ("ECDHE-ECDSA-CHACHA20-POLY1305", true), ("ECDHE-ECDSA-AES128-SHA", false),
            ("ECDHE-ECDSA-AES128-SHA256", false), ("ECDHE-ECDSA-AES256-SHA384", false), ("AES128-GCM-SHA256", false),
            ("AES128-SHA", false), ("ECDHE-ECDSA-AES128-CCM", false), ("ECDHE-ECDSA-NULL-SHA", false),
            ("AECDH-AES128-SHA", false), ("DHE-RSA-AES128-GCM-SHA256", false), ("PSK-AES128-GCM-SHA256", false),
        ])
    func ciphers(_ cipher: String, _ isGood: Bool) async throws {
        let server = try await TestServer.encrypted()
        #expect(try await isAccepted(server, "-tls1_2", "-cipher", "\(cipher):@SECLEVEL=0") == isGood)
    }

    @Test(
        "In TLS 1.3, too",
        arguments: [
            ("TLS_AES_128_GCM_SHA256", true), ("TLS_AES_256_GCM_SHA384", true), ("TLS_CHACHA20_POLY1305_SHA256", true),
            ("TLS_AES_128_CCM_SHA256", false), ("TLS_AES_128_CCM_8_SHA256", false),
        ])
    func ciphersOfNewest(_ cipher: String, _ isGood: Bool) async throws {
        let server = try await TestServer.encrypted()
        #expect(try await isAccepted(server, "-tls1_3", "-ciphersuites", cipher) == isGood)
    }

    // MARK: Requests

    @Test("Texts of any length are set and read through TLS as they are", arguments: ["--tlsv1.3", "--tls-max=1.2"])
    func texts(_ version: String) async throws {
        let version = version.split(separator: "=").map(String.init)
        let server = try await TestServer.encrypted(capacity: 4 << 20)
        let segment = try server.segment()
        for byteCount in [0, 1, 16_383, 16_384, 16_385, 1 << 20, 3_000_001] {
            let bytes = ChecksummedText.make(byteCount: byteCount, seed: UInt64(byteCount))
            let text = String(decoding: bytes, as: UTF8.self)
            let file = "\(server.directory.path)/body"
            try Data(bytes).write(to: URL(fileURLWithPath: file))
            let certificates = try await TestCertificates.shared()
            let arguments = certificates.curl(as: nil) + version
            let put = try await ChildProcess.run("curl", arguments + ["-f", "-T", file, server.url + "/shared"])
            #expect(put.status == 0, "\(put.errors)")
            #expect(try segment.get() == text)
            #expect(try await ChildProcess.run("curl", arguments + ["-f", server.url + "/shared"]).text == text)
        }
    }

    @Test("A connection serves many requests, and so do many at a time")
    func keptAlive() async throws {
        let server = try await TestServer.encrypted()
        try server.segment().set("x")
        let result = try await server.curl(
            "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", "-Z", "--parallel-max", "8",
            target: "/shared?[1-400]")
        let lines = result.text.split(separator: "\n")
        #expect(lines.count == 400 && lines.allSatisfy { $0.hasPrefix("200 ") })
        #expect(lines.count { $0 == "200 0" } >= 392, "the connections are used again")
    }

    @Test("On loopback without a token, a request with a foreign host name is refused, as without TLS")
    func hosts() async throws {
        let server = try await TestServer.encrypted()
        #expect(try await server.status() == "200")
        #expect(try await server.status("-H", "Host: rebound.example") == "421")
        // A target with a host overrides the field, whatever its scheme.
        for (target, status) in [("https://localhost/shared", "200"), ("HTTPS://rebound.example/shared", "421")] {
            #expect(try await server.status("--request-target", target) == status)
        }
    }

    @Test("What must be said before the whole request has come is said through TLS")
    func early() async throws {
        let server = try await TestServer.encrypted(capacity: 100)
        let client = try await TLSConnection(server.address)
        try client.send("PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nabc")
        let answer = try client.rest()
        #expect(answer.hasPrefix("HTTP/1.1 413 ") && answer.contains("\"capacity\":100"), "\(answer)")
    }

    @Test("A body that comes too late is answered with 408, in the middle of the request")
    func lateBody() async throws {
        let server = try await TestServer.encrypted { $0.bodySeconds = 1 }
        let client = try await TLSConnection(server.address)
        try client.send("PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        let answer = try client.rest()
        #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("request-timeout"), "\(answer)")
        #expect(try server.segment().get() == "")
        #expect(try await server.status() == "200")
    }

    // MARK: Head and body in one record

    @Test(
        "The last response of a connection arrives whole, before the connection's end",
        arguments: ["HTTP/1.1\r\nHost: a\r\nConnection: close", "HTTP/1.0\r\nHost: a"], [false, true])
    func lastResponse(_ head: String, isHalfClosed: Bool) async throws {
        let server = try await TestServer.encrypted()
        try server.segment().set("the text")
        let client = try await TLSConnection(server.address)
        try client.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /shared \(head)\r\n\r\n")
        if isHalfClosed { Socket.finishSending(client.descriptor) }
        let answers = try client.rest()
        #expect(answers.components(separatedBy: "HTTP/1.1 200 OK\r\n").count == 3, "\(answers)")
        #expect(answers.hasSuffix("\r\n\r\nthe text"), "\(answers)")
    }

    @Test("The head and the body of a short response are one record, and a long body has records of its own")
    func records() async throws {
        let server = try await TestServer.encrypted()
        guard case .https(let host, let port) = server.address else { return }
        for (byteCount, recordCount) in [(0, 1), (64, 1), (4096, 1), (4097, 2)] {
            try server.segment().set(String(repeating: "x", count: byteCount))
            // In TLS 1.2 nothing but the response comes as a record of application data.
            let output = try await ChildProcess.run(
                "openssl", ["s_client", "-connect", "\(host):\(port)", "-tls1_2", "-msg", "-quiet", "-ign_eof"],
                input: Data("GET /shared HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8)
            ).text
            let received = output.components(separatedBy: "<<< TLS 1.2, RecordHeader [length 0005]\n").dropFirst()
            #expect(received.count { $0.hasPrefix("    17 ") } == recordCount, "\(byteCount) bytes: \(output)")
        }
    }

    @Test("A client that sends requests and reads late gets every response")
    func lateReader() async throws {
        let server = try await TestServer.encrypted()
        try server.segment().set(String(repeating: "x", count: 4000))
        let client = try await TLSConnection(server.address)
        // The responses are more than a window, the requests are not.
        let count = 200
        try client.send(String(repeating: "GET /shared HTTP/1.1\r\nHost: a\r\n\r\n", count: count - 1))
        try client.send("GET /shared HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        let responses = try client.rest().components(separatedBy: "HTTP/1.1 200 OK\r\n").dropFirst()
        #expect(responses.count == count)
        #expect(responses.allSatisfy { $0.hasSuffix("\r\n\r\n" + String(repeating: "x", count: 4000)) })
    }

    // MARK: What is not TLS

    @Test("Plain HTTP at an address with TLS is closed without an answer in the plain")
    func plain() async throws {
        let server = try await TestServer.encrypted()
        let client = try server.connect()
        try client.send("GET /shared HTTP/1.1\r\nHost: a\r\n\r\n")
        // At most a TLS alert.
        #expect(try client.rest().count <= 7)
        #expect(try await server.status() == "200")
    }

    @Test("A client that never shakes hands, or stops in the middle, is disconnected after the time for a head")
    func silent() async throws {
        let server = try await TestServer.encrypted { $0.headSeconds = 1 }
        let silent = try server.connect()
        let halfway = try await TLSConnection(server.address, completes: false)
        let wordless = try await TLSConnection(server.address)
        #expect(silent.isEnded())
        try halfway.awaitEnd()
        try wordless.awaitEnd()
    }

    /// Regression: libmicrohttpd does not note during a handshake that it has read a socket empty, and asked again and again.
    @Test("While a client hesitates in its handshake, the server rests")
    func rest() async throws {
        let server = try await TestServer.encrypted()
        let halfway = try await TLSConnection(server.address, completes: false)
        // The server's part of the handshake.
        #expect(try Socket.wait(for: .readable, of: halfway.descriptor, timeoutMilliseconds: 60_000))
        let before = server.server.turnCounts[0]
        let result = try await server.curl("-o", "/dev/null", "-w", "%{http_code}\n", target: "/shared?[1-100]")
        #expect(result.text.split(separator: "\n").count { $0 == "200" } == 100)
        // A few for each request; without rest, there are many thousands.
        #expect(server.server.turnCounts[0] - before < 1000)
    }

    @Test("A shutdown does not wait for clients that have not shaken hands")
    func shutdown() async throws {
        let server = try await TestServer.encrypted { $0.graceSeconds = 100_000 }
        let silent = try server.connect()
        let halfway = try await TLSConnection(server.address, completes: false)
        let partial = try server.connect()
        // The beginning of a ClientHello.
        try partial.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 1, 2])
        let wordless = try await TLSConnection(server.address)
        #expect(try await server.status() == "200")
        server.server.stop()
        #expect(silent.isEnded() && partial.isEnded())
        try halfway.awaitEnd()
        try wordless.awaitEnd()
    }

    // MARK: Starting

    @Test("A server whose certificate is missing, useless or not its key's does not start, and says why")
    func faults() async throws {
        let certificates = try await TestCertificates.shared()
        let good = try certificates.configuration()
        var mismatched = good
        mismatched.key = try certificates.configuration("renewed").key
        var broken = good
        broken.certificate = Array(good.certificate.dropFirst(100))
        var rolesAlone = good
        rolesAlone.clientRoles = [ClientRole("x")]
        var noAuthority = good
        noAuthority.clientAuthorities = Array("nothing".utf8)
        let https = [ListenAddress.https(host: "127.0.0.1", port: 0)]
        for (tls, listen, fault) in [
            (nil, https, "needs a certificate"), (good, [.tcp(host: "127.0.0.1", port: 0)], "listen on one"),
            (mismatched, https, "do not match"), (broken, https, "TLS certificate and key cannot be used"),
            (rolesAlone, https, "need the authorities"), (noAuthority, https, "cannot be used"),
        ] as [(TLSConfiguration?, [ListenAddress], String)] {
            let error = #expect(throws: ServerError.self) {
                try TestServer { ($0.tls, $0.listen) = (tls, listen) }
            }
            #expect(error.map { "\($0)".contains(fault) } == true, "\(fault): \(error.map { "\($0)" } ?? "")")
        }
        let dump = "\(Mirror(reflecting: good).children.count)"
        #expect(dump == "0", "a dump would show the key")
    }

    @Test("TLS alone is no access control, and certificates of clients are")
    func otherHosts() async throws {
        let everywhere = [ListenAddress.https(host: "0.0.0.0", port: 0)]
        await #expect(throws: ServerError.needsToken(everywhere[0])) {
            try await TestServer.encrypted { $0.listen = everywhere }
        }
        _ = try await TestServer.encrypted {
            ($0.listen, $0.allowsAnonymous) = (everywhere, true)
        }
        let server = try await TestServer.encrypted(clientsNeedCertificates: true) { $0.listen = everywhere }
        guard case .https(_, let port) = server.address else { return }
        let certificates = try await TestCertificates.shared()
        let end = ["-o", "/dev/null", "-w", "%{http_code}", "https://localhost:\(port)/shared"]
        #expect(try await ChildProcess.run("curl", certificates.curl(as: "unnamed") + end).text == "200")
        #expect(try await ChildProcess.run("curl", certificates.curl(as: nil) + end).text == "000")
        // The certificates of one address are none for another.
        let both = try TestServer {
            $0.listen = [.https(host: "0.0.0.0", port: 0), .tcp(host: "127.0.0.1", port: 0)]
            $0.tls = try certificates.configuration(clientsNeedCertificates: true)
        }
        guard case .tcp(let host, let plain) = both.server.addresses[1] else { return }
        #expect(try RawClient(host: host, port: plain).request().status == 200)
        await #expect(throws: ServerError.self) {
            try await TestServer.encrypted(clientsNeedCertificates: true) {
                $0.listen += [.tcp(host: "0.0.0.0", port: 0)]
            }
        }
    }

    // MARK: Addresses

    @Test(
        "An address with TLS is written as its URL begins",
        arguments: [
            ("https://127.0.0.1:8443", ListenAddress.https(host: "127.0.0.1", port: 8443)),
            ("https://[::1]:8443", .https(host: "::1", port: 8443)),
            ("https://:8443", .https(host: "0.0.0.0", port: 8443)),
            ("http://127.0.0.1:8080", .tcp(host: "127.0.0.1", port: 8080)),
            ("http://:80", .tcp(host: "0.0.0.0", port: 80)),
        ])
    func addresses(_ text: String, _ address: ListenAddress) {
        #expect(ListenAddress(text) == address)
        #expect(ListenAddress(address.description) == address)
    }

    @Test(
        "What is no such address is refused",
        arguments: [
            "https://", "https://a", "https://a:1/", "https://a/b:1", "https://unix:/x", "https://https://a:1",
            "ftp://a:1",
        ])
    func noAddresses(_ text: String) { #expect(ListenAddress(text) == nil) }

    // MARK: The health check

    @Test("The health check verifies the certificate and its name, and presents one of its own")
    func healthcheck() async throws {
        let certificates = try await TestCertificates.shared()
        let server = try await TestServer.encrypted()
        var identities = Healthcheck.Identities()
        identities.authorities = certificates.certificate("ca")
        try Healthcheck.check(server.url, identities)
        try Healthcheck.check(Healthcheck.url(of: server.address), identities)
        identities.serverName = "localhost"
        try Healthcheck.check(server.url, identities)
        identities.serverName = "other.example"
        #expect(throws: HealthcheckError.self) { try Healthcheck.check(server.url, identities) }
        identities.serverName = nil
        identities.authorities = certificates.certificate("otherCA")
        #expect(throws: HealthcheckError.self) { try Healthcheck.check(server.url, identities) }
        #expect(throws: HealthcheckError.self) { try Healthcheck.check(server.url) }
        let strict = try await TestServer.encrypted(clientsNeedCertificates: true)
        identities.authorities = certificates.certificate("ca")
        #expect(throws: HealthcheckError.self) { try Healthcheck.check(strict.url, identities) }
        (identities.certificate, identities.key) = (certificates.certificate("reader"), certificates.key("reader"))
        try Healthcheck.check(strict.url, identities)
        // A server that accepts and says nothing.
        let (silent, address) = try SilentListener.make()
        defer { withExtendedLifetime(silent) {} }
        #expect(throws: HealthcheckError.unreachable(url: address, reason: "the time was up")) {
            try Healthcheck.check(address, timeoutMilliseconds: 100, identities)
        }
    }
}

/// A socket that listens and never answers.
private enum SilentListener {
    static func make() throws -> (FileHandle, String) {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, byteCount)
                _ = listen(descriptor, 8)
                getsockname(descriptor, $0, &byteCount)
            }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
        return (FileHandle(fileDescriptor: descriptor, closeOnDealloc: true), "https://127.0.0.1:\(port)/livez")
    }
}
