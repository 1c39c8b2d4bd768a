import Foundation
import GnuTLS
import LinuxSystem
import MicroHTTPD
import SharedMemoryHTTP
import TestSupport

extension TestServer {
    /// A server with TLS.
    static func encrypted(
        segments: [String] = ["text"], capacity: Int? = nil, clientsNeedCertificates: Bool = false,
        _ configure: (inout ServerConfiguration) throws -> Void = { _ in }
    ) async throws -> TestServer {
        let certificates = try await TestCertificates.shared()
        return try TestServer(segments: segments, capacity: capacity) {
            $0.listen = [.https(host: "127.0.0.1", port: 0)]
            $0.tls = try certificates.configuration(clientsNeedCertificates: clientsNeedCertificates)
            try configure(&$0)
        }
    }

    /// Runs curl against the server.
    func curl(_ arguments: String..., target: String = "/shared", as client: String? = nil) async throws
        -> ChildProcess.Finished
    {
        let certificates = try await TestCertificates.shared()
        return try await ChildProcess.run("curl", certificates.curl(as: client) + arguments + [url + target])
    }

    /// The status that curl gets; `000` without an answer.
    func status(_ arguments: String..., target: String = "/shared", as client: String? = nil) async throws -> String {
        let certificates = try await TestCertificates.shared()
        let quiet = ["-o", "/dev/null", "-w", "%{http_code}"]
        return try await ChildProcess.run(
            "curl", certificates.curl(as: client) + quiet + arguments + [url + target]
        ).text
    }
}

extension TestCertificates {
    func configuration(_ name: String = "server", clientsNeedCertificates: Bool = false) throws -> TLSConfiguration {
        var tls = TLSConfiguration(
            certificate: try bytes(of: certificate(name)), key: try bytes(of: key(name)))
        if clientsNeedCertificates { tls.clientAuthorities = try bytes(of: certificate("ca")) }
        return tls
    }
}

/// A connection with TLS that sends and receives exactly what a test wants.
final class TLSConnection {
    private let socket: Socket
    private let client: TLSClient?

    var descriptor: CInt { socket.descriptor }

    /// - Parameter completes: whether to shake hands; if not, the client falls silent after its first message.
    convenience init(_ address: ListenAddress, completes: Bool = true) async throws {
        try self.init(address, try await TestCertificates.shared(), completes)
    }

    private init(_ address: ListenAddress, _ certificates: TestCertificates, _ completes: Bool) throws {
        guard case .https(let host, let port) = address else { throw SystemFailure(description: "\(address)") }
        let target = try SocketAddress(host: host, port: port)
        let identities = TLSClient.Identities(authorities: certificates.certificate("ca"), own: nil)
        for _ in 0..<1000 {
            let socket = try Socket(family: target.family)
            try? socket.connect(target)
            _ = try Socket.wait(for: .writable, of: socket.descriptor, timeoutMilliseconds: 60_000)
            let descriptor = socket.descriptor
            let isSilent = Flag()
            var client: TLSClient?
            do throws(TLSError) {
                client = try TLSClient(socket, serverName: "localhost", identities) { readiness throws(TLSError) in
                    if !completes { isSilent.raise() }
                    guard completes,
                        (try? Socket.wait(for: readiness, of: descriptor, timeoutMilliseconds: 60_000)) == true
                    else { throw TLSError("the time is up") }
                }
            } catch {
                // Whatever went wrong before its first message is an error.
                if !isSilent.isRaised { throw error }
            }
            // If the server is quick, the client finds its answer without waiting, and shakes hands after all.
            guard completes || client == nil else { continue }
            self.client = client
            self.socket = socket
            return
        }
        throw SystemFailure(description: "a client that means to be silent always finds an answer")
    }

    func send(_ text: String) throws { try client?.send(text) }

    /// Everything until the server ends the connection.
    func rest() throws -> String {
        var bytes: [UInt8] = []
        while let piece = try client?.receive(limit: 1 << 16), !piece.isEmpty { bytes += piece }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Receives until what has come is enough, and returns it.
    @discardableResult
    func receive(until isEnough: (String) -> Bool) throws -> String {
        var received = ""
        while !isEnough(received), let piece = try client?.receive(limit: 1 << 16), !piece.isEmpty {
            received += String(decoding: piece, as: UTF8.self)
        }
        return received
    }

    /// Waits for the end of the socket, and discards what arrives before.
    func awaitEnd() throws {
        while true {
            guard try Socket.wait(for: .readable, of: socket.descriptor, timeoutMilliseconds: 60_000) else {
                throw SystemFailure(description: "the server does not end the connection")
            }
            do throws(SystemError) {
                if try Socket.receive(from: socket.descriptor, limit: 1 << 16).isEmpty { return }
            } catch {
                if error.code == ECONNRESET { return }
                if error.code != EAGAIN { throw error }
            }
        }
    }
}
