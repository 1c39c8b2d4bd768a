import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// A page of another site can let its own host name resolve to a loopback address, and then reach this server.
@Suite("Hosts and origins", .fewAtATime)
struct HostTests {
    func status(_ server: TestServer, host: String, _ method: String = "GET") throws -> Int {
        let client = try server.connect()
        try client.send("\(method) /shared HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        return try client.response(to: method).status
    }

    @Test(
        "Without a token, the server on a loopback address accepts only names of this host",
        arguments: [
            ("localhost", 200), ("127.1.2.3:80", 200), ("[::1]:8080", 200), ("", 400), ("evil.example:8080", 421),
            ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421),
        ])
    func loopback(host: String, status: Int) throws {
        let server = try TestServer { $0.allowedHosts = [] }
        for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
            let good = method == "PUT" || method == "OPTIONS" ? 204 : 200
            #expect(try self.status(server, host: host, method) == (status == 200 ? good : status))
        }
        #expect(try server.segment().version.number == (status == 200 ? 1 : 0))
    }

    @Test("The host in an absolute target must be a name of this host too")
    func absoluteForm() throws {
        let server = try TestServer { $0.allowedHosts = [] }
        for (target, host, status) in [
            ("http://localhost/shared", "localhost", 200), ("HTTP://127.0.0.1:80/shared", "localhost", 200),
            ("http://evil.example/shared", "localhost", 421), ("HTTP://evil.example:80/shared", "localhost", 421),
            ("http://localhost/shared", "evil.example", 421),
        ] {
            let client = try server.connect()
            try client.send("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            #expect(try client.response().status == status, "\(target) \(host)")
        }
    }

    @Test("A request for another host sets nothing, and the refusal does not repeat its host")
    func problem() throws {
        let server = try TestServer { $0.allowedHosts = [] }
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 4\r\n\r\nevil")
        let response = try client.response()
        #expect(response.status == 421)
        #expect(response.problem["type"] as? String == "/openapi.yaml#/components/examples/unknown-host")
        #expect(!response.text.contains("evil"))
        #expect(try client.request().text == "")
    }

    @Test("The configuration can allow other names, and all names below one")
    func allowed() throws {
        let server = try TestServer { $0.allowedHosts = ["One.example", ".two.example"] }
        for (host, status) in [
            ("ONE.EXAMPLE:80", 200), ("a.one.example", 421), ("a.two.example", 200), ("two.example", 421),
            ("localhost", 200),
        ] { #expect(try self.status(server, host: host) == status, "\(host)") }
    }

    @Test("With a token, on a Unix socket and on an address open to other hosts, any host name is accepted")
    func others() throws {
        let directory = try TemporaryDirectory()
        let server = try TestServer {
            $0.allowedHosts = []
            $0.listen = [.unix(path: "\(directory.path)/socket")]
        }
        #expect(try status(server, host: "evil.example") == 200)
        let open = try TestServer {
            $0.allowedHosts = []
            $0.listen = [.tcp(host: "0.0.0.0", port: 0)]
            $0.allowsAnonymous = true
        }
        #expect(try status(open, host: "some.example") == 200)
        let protected = try TestServer {
            $0.allowedHosts = []
            $0.tokens = [try AccessToken(TestServer.token)]
        }
        #expect(try status(protected, host: "some.example") == 401)
        let named = try TestServer {
            $0.allowedHosts = ["one.example"]
            $0.tokens = [try AccessToken(TestServer.token)]
        }
        #expect(try status(named, host: "some.example") == 421)
    }

    @Test("No page of another site is permitted to read or set")
    func preflight() throws {
        let server = try TestServer()
        let fields = ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site"]
        let asking = ["Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: if-match"]
        for (method, more) in [("OPTIONS", asking), ("GET", []), ("PUT", [])] {
            let response = try server.request(method, "/shared", fields + more)
            #expect(response.status == (method == "GET" ? 200 : 204))
            #expect(!response.fields.contains { $0.name.lowercased().hasPrefix("access-control-") })
        }
    }
}
