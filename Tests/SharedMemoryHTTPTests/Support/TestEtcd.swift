import Foundation
import LinuxSystem
import Synchronization
import TestSupport
import Testing

/// An etcd of one member, on ports and in a directory of its own.
final class TestEtcd: Sendable {
    private let directory: TemporaryDirectory
    private let clientPort: UInt16
    private let peerPort: UInt16
    private let options: [String]
    private let state = Mutex(State())

    private struct State {
        var process: ChildProcess?
        /// Which data directory is in use.
        var generation = 0
    }

    /// The directory of etcd's programs: `ETCD_DIRECTORY`, or what `Scripts/bootstrap test` has installed, or the system's.
    ///
    /// Nil if etcd is not installed.
    static let programs: String? = {
        let chosen = ProcessInfo.processInfo.environment["ETCD_DIRECTORY"].map { [$0] } ?? []
        let own = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../../.build/etcd/usr/bin"
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (chosen + [own] + path).first { FileManager.default.isExecutableFile(atPath: "\($0)/etcd") }
    }()

    /// For TLS; nil without it.
    private let certificates: TestCertificates?
    /// Whether it accepts only clients with certificates.
    private let asksForCertificates: Bool

    init(
        _ options: [String] = [], _ certificates: TestCertificates? = nil, asksForCertificates: Bool = false
    ) async throws {
        directory = try TemporaryDirectory()
        (self.options, self.certificates, self.asksForCertificates) = (options, certificates, asksForCertificates)
        (clientPort, peerPort) = (try unusedPort(), try unusedPort())
        try await start()
    }

    var url: String { certificates == nil ? "http://127.0.0.1:\(clientPort)" : "https://localhost:\(clientPort)" }

    private var dataDirectory: String { "\(directory.path)/data-\(state.withLock { $0.generation })" }

    private static func program(_ name: String) throws -> String { "\(try #require(programs))/\(name)" }

    func start() async throws {
        let peer = "http://127.0.0.1:\(peerPort)"
        let tls = certificates.map {
            ["--cert-file", $0.certificate("member"), "--key-file", $0.key("member")]
                + ["--client-cert-auth", "--trusted-ca-file", $0.certificate("ca")].prefix(asksForCertificates ? 3 : 0)
        }
        let process = try ChildProcess(
            Self.program("etcd"),
            [
                "--data-dir", dataDirectory, "--listen-client-urls", url, "--advertise-client-urls", url,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster",
                "default=\(peer)",
                "--unsafe-no-fsync",
            ] + options + (tls ?? []))
        state.withLock { $0.process = process }
        try await eventually("etcd serving") {
            process.errorsSoFar.contains("ready to serve client requests") ? () : nil
        }
    }

    func stop() async throws {
        let process = state.withLock { state in
            defer { state.process = nil }
            return state.process
        }
        process?.kill()
        _ = try await process?.finish()
    }

    func send(_ signal: CInt) { state.withLock { $0.process }?.send(signal) }

    @discardableResult
    func control(_ arguments: String...) async throws -> String {
        let result = try await ChildProcess.run(
            Self.program("etcdctl"),
            ["--endpoints", url]
                + (certificates.map {
                    [
                        "--cacert", $0.certificate("ca"), "--cert", $0.certificate("nameless"), "--key",
                        $0.key("nameless"),
                    ]
                } ?? []) + arguments,
            environment: ["ETCDCTL_API": "3"])
        if result.status != 0 { throw SystemFailure(description: "etcdctl \(arguments): \(result.errors)") }
        return result.text
    }

    /// Sets a value that a command line could not have.
    func put(_ key: String, _ value: [UInt8]) async throws {
        let body = """
            {"key":"\(Data(key.utf8).base64EncodedString())","value":"\(Data(value).base64EncodedString())"}
            """
        let answer = try RawClient(host: "127.0.0.1", port: clientPort).request(
            "POST", "/v3/kv/put", [], body: Array(body.utf8))
        #expect(answer.status == 200)
    }

    /// Copies what is there now.
    func saveSnapshot() async throws -> String {
        let path = "\(directory.path)/snapshot"
        try? FileManager.default.removeItem(atPath: path)
        try await control("snapshot", "save", path)
        return path
    }

    /// Begins with a snapshot again, in place of all that was set since.
    func restore(_ snapshot: String) async throws {
        try await stop()
        state.withLock { $0.generation += 1 }
        let peer = "http://127.0.0.1:\(peerPort)"
        try await control(
            "snapshot", "restore", snapshot, "--data-dir", dataDirectory, "--initial-cluster", "default=\(peer)",
            "--initial-advertise-peer-urls", peer)
        try await start()
    }

    /// Begins with nothing.
    func replaceWithAnEmptyOne() async throws {
        try await stop()
        state.withLock { $0.generation += 1 }
        try await start()
    }
}

func unusedPort() throws -> UInt16 {
    let address = try SocketAddress(host: "127.0.0.1", port: 0)
    let socket = try Socket(family: address.family)
    try socket.set(.reuseAddress)
    try socket.bind(address)
    return try #require(SocketAddress(of: socket.descriptor).numericHostAndPort?.port)
}
