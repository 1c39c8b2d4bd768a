import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("Listening", .fewAtATime)
struct ListeningTests {
    @Test(
        "Addresses are read and written in the same notation",
        arguments: [
            ("127.0.0.1:8080", ListenAddress.tcp(host: "127.0.0.1", port: 8080)),
            ("[::1]:0", .tcp(host: "::1", port: 0)), ("localhost:65535", .tcp(host: "localhost", port: 65535)),
            ("unix:/run/a b.sock", .unix(path: "/run/a b.sock")), ("unix:relative", .unix(path: "relative")),
        ])
    func parse(text: String, address: ListenAddress) {
        #expect(ListenAddress(text) == address)
        #expect(address.description == text)
    }

    @Test(
        "Text that is not an address is refused",
        arguments: [
            "", "8080", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "[::1]", "[]:80", "unix:",
            "a:-1",
        ])
    func invalidAddress(text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test("A port alone stands for all addresses of the host")
    func portAlone() {
        #expect(ListenAddress(":8080") == .tcp(host: "0.0.0.0", port: 8080))
    }

    @Test("IPv4, IPv6 and Unix sockets serve the same text")
    func everywhere() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        let server = try TestServer {
            $0.listen = [.tcp(host: "127.0.0.1", port: 0), .tcp(host: "::1", port: 0), .unix(path: path)]
        }
        #expect(server.server.addresses.count == 3)
        for address in server.server.addresses {
            if case .tcp(_, let port) = address { #expect(port > 0) }
            let response = try RawClient(address).request("PUT", body: Array("through \(address)".utf8))
            #expect(response.status == 204)
            for other in server.server.addresses {
                #expect(try RawClient(other).request().text == "through \(address)")
            }
        }
        var status = stat()
        #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        server.server.stop()
        #expect(lstat(path, &status) != 0)
    }

    @Test("A server cannot take an address from another server")
    func taken() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        let server = try TestServer { $0.listen.append(.unix(path: path)) }
        for address in server.server.addresses {
            #expect(throws: ServerError.self) { try TestServer { $0.listen = [address] } }
            #expect(try RawClient(address).request().status == 200)
        }
    }

    @Test("A socket left by a killed server is replaced; any other file is not")
    func stale() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        let left = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(left, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        #expect(isBound)
        close(left)
        let server = try TestServer { $0.listen = [.unix(path: path)] }
        #expect(try server.request().status == 200)

        let file = "\(directory.path)/file"
        try Data("precious".utf8).write(to: URL(fileURLWithPath: file))
        #expect(throws: ServerError.self) { try TestServer { $0.listen = [.unix(path: file)] } }
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "precious")
        let long = "/dev/shm/" + String(repeating: "x", count: 100)
        #expect(throws: ServerError.self) { try TestServer { $0.listen = [.unix(path: long)] } }
    }

    @Test("An address open to other hosts requires a token or explicit anonymous access", arguments: ["0.0.0.0", "::"])
    func needsToken(host: String) throws {
        let address = ListenAddress.tcp(host: host, port: 0)
        #expect(throws: ServerError.needsToken(address)) { try TestServer { $0.listen = [address] } }
        let anonymous = try TestServer {
            $0.listen = [address]
            $0.allowsAnonymous = true
        }
        #expect(anonymous.server.addresses.count == 1)
        let protected = try TestServer {
            $0.listen = [address]
            $0.tokens = [try AccessToken(TestServer.token)]
        }
        guard case .tcp(_, let port) = protected.address else { return }
        let loopback = ListenAddress.tcp(host: host == "::" ? "::1" : "127.0.0.1", port: port)
        #expect(try RawClient(loopback).request().status == 401)
    }

    @Test("An invalid configuration is refused")
    func invalid() {
        for configure in [
            { $0.segments = [] }, { $0.segments = ["a", "b", "a"] }, { $0.listen = [] }, { $0.threadCount = 0 },
            { $0.connectionLimit = 0 }, { $0.headSeconds = 0 }, { $0.bodySeconds = 0 }, { $0.sendSeconds = -1 },
            { $0.listen = [.tcp(host: "no.such.host.invalid", port: 0)] }, { $0.segments = ["a/b"] },
            { $0.directory = "/nowhere" }, { $0.graceSeconds = -1 },
        ] as [(inout ServerConfiguration) -> Void] {
            #expect(throws: ServerError.self) { try TestServer(configure) }
        }
    }

    @Test("Several threads serve one address without losing a PUT")
    func threads() async throws {
        let server = try TestServer { $0.threadCount = 4 }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    let client = try server.connect()
                    for round in 0..<100 {
                        #expect(try client.request("PUT", body: Array("\(writer) \(round)".utf8)).status == 204)
                        #expect(try client.request().status == 200)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try server.segment().version.number == 800)
    }
}

@Suite("Healthcheck", .fewAtATime)
struct HealthcheckTests {
    @Test("A server that responds is healthy, at any address")
    func healthy() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/socket"
        let server = try TestServer { $0.listen += [.tcp(host: "::1", port: 0), .unix(path: path)] }
        try Healthcheck.check("http://\(server.server.addresses[0])/readyz")
        try Healthcheck.check("http://\(server.server.addresses[1])")
        try Healthcheck.check("unix:\(path)")
    }

    @Test("An error status, silence, a refused connection and an invalid URL are unhealthy")
    func unhealthy() throws {
        let server = try TestServer()
        let url = "\(server.url)/nothing"
        #expect(throws: HealthcheckError.unhealthy(url: url, status: 404)) { try Healthcheck.check(url) }
        server.server.stop()
        #expect(throws: HealthcheckError.self) { try Healthcheck.check(server.url) }
        for url in ["", "https://127.0.0.1:1", "127.0.0.1:80", "http://", "http://a b/", "unix:"] {
            #expect(throws: HealthcheckError.self) { try Healthcheck.check(url) }
        }

        // A socket that accepts connections and sends nothing.
        let silent = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(silent) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(silent, $0, byteCount)
                listen(silent, 1)
                getsockname(silent, $0, &byteCount)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        #expect(throws: HealthcheckError.self) {
            try Healthcheck.check("http://127.0.0.1:\(port)/", timeoutMilliseconds: 100)
        }
    }
}
