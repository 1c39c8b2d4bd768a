import Foundation
import Synchronization

/// Certificates for tests of TLS, made once for each process and removed when it exits.
public struct TestCertificates: Sendable {
    private let directory: String

    public static func shared() async throws -> TestCertificates { try await made.value }

    private static let made = Task { try await TestCertificates() }
    private static let removed = Mutex<TemporaryDirectory?>(nil)

    private init() async throws {
        let directory = try TemporaryDirectory()
        Self.removed.withLock { $0 = directory }
        // A static property is not released at the end of the process.
        atexit { TestCertificates.removed.withLock { $0 = nil } }
        self.directory = directory.path
        let result = try await ChildProcess.run("sh", ["-euc", Self.script, "sh", directory.path])
        guard result.status == 0 else { throw SystemFailure(description: "certtool: \(result.errors)") }
    }

    /// The PEM file of a certificate: the authorities `ca` and `otherCA`, the servers `server` and `renewed`, a `member` of etcd,
    /// or a client.
    public func certificate(_ name: String) -> String { "\(directory)/\(name).pem" }

    /// The PEM file of the key of a server, or of any client.
    public func key(_ name: String) -> String {
        ["server", "renewed", "member"].contains(name) ? "\(directory)/\(name).key" : "\(directory)/client.key"
    }

    /// The file for each option of `sharedmem serve` that is about TLS; the one with the roles is written to a directory.
    public func serverFiles(rolesIn directory: TemporaryDirectory) throws -> [String: String] {
        let roles = "\(directory.path)/roles"
        try "reader role=read\n".write(toFile: roles, atomically: false, encoding: .utf8)
        return [
            "tls-cert": certificate("server"), "tls-key": key("server"), "tls-client-ca": certificate("ca"),
            "tls-client-roles": roles,
        ]
    }

    public func bytes(of path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

    /// The arguments with which curl connects as a client; nil for one without a certificate.
    public func curl(as client: String?) -> [String] {
        let own = client.map { ["--cert", certificate($0), "--key", key($0)] } ?? []
        return ["-sS", "--cacert", certificate("ca")] + own
    }

    /// The clients' certificates: each has its name as its common name, and a role that is named for it in the tests.
    public static let clients = [
        "reader", "writer", "admin", "some", "lapsed", "unnamed", "byDNS", "byURI", "expired", "stranger", "serverOnly",
    ]

    private static let script = """
        cd "$1"
        for name in ca otherCA server renewed member client; do
            certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile $name.key >/dev/null 2>&1
        done
        chmod 600 ./*.key
        for name in ca otherCA; do
            printf 'cn = %s\\nca\\ncert_signing_key\\nexpiration_days = 30\\n' $name >template
            certtool --generate-self-signed --load-privkey $name.key --template template --outfile $name.pem >/dev/null 2>&1
        done
        sign() { # NAME KEY AUTHORITY LINE…
            name=$1 key=$2 authority=$3
            shift 3
            { printf 'signing_key\\n'; printf '%s\\n' "$@"; } >template
            certtool --generate-certificate --load-privkey $key.key --load-ca-certificate $authority.pem \\
                --load-ca-privkey $authority.key --template template --outfile $name.pem >/dev/null 2>&1
        }
        for name in server renewed; do
            sign $name $name ca "cn = $name" 'dns_name = localhost' 'ip_address = 127.0.0.1' tls_www_server \\
                'expiration_days = 30'
        done
        # Its gateway connects to itself with it.
        sign member member ca 'dns_name = localhost' 'ip_address = 127.0.0.1' tls_www_server tls_www_client \\
            'expiration_days = 30'
        sign nameless client ca 'organization = example' tls_www_client 'expiration_days = 30'
        for name in reader writer admin some lapsed unnamed; do
            sign $name client ca "cn = $name" tls_www_client 'expiration_days = 30'
        done
        sign byDNS client ca 'cn = Reads by DNS' 'dns_name = reader.example' tls_www_client 'expiration_days = 30'
        sign byURI client ca 'cn = Writes by URI' 'uri = spiffe://example/writer' tls_www_client 'expiration_days = 30'
        sign expired client ca 'cn = writer' tls_www_client 'activation_date = "2019-01-01 00:00:00 UTC"' \\
            'expiration_date = "2020-01-01 00:00:00 UTC"'
        sign stranger client otherCA 'cn = writer' tls_www_client 'expiration_days = 30'
        sign serverOnly client ca 'cn = writer' tls_www_server 'expiration_days = 30'
        """
}
