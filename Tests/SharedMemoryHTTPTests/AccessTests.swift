import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("Token", .fewAtATime)
struct TokenTests {
    let server: TestServer

    init() throws { server = try TestServer { $0.token = "s3cret-Token" } }

    @Test(
        "With the right token, every method is served",
        arguments: ["Bearer s3cret-Token", "BEARER  s3cret-Token "])
    func right(value: String) throws {
        #expect(try server.set("x", ["Authorization: \(value)"]).status == 204)
        #expect(try server.request("GET", "/shared", ["Authorization: \(value)"]).text == "x")
        #expect(try server.request("OPTIONS", "/shared", ["Authorization: \(value)"]).status == 204)
    }

    @Test(
        "Without a bearer token, every method is 401",
        arguments: [nil, "Basic s3cret-Token", "Bearer"])
    func none(value: String?) throws {
        for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
            let fields = value.map { ["Authorization: \($0)"] } ?? []
            let response = try server.request(method, "/shared", fields, body: method == "PUT" ? [0x61] : nil)
            #expect(response.status == 401)
            #expect(response["WWW-Authenticate"] == "Bearer realm=\"sharedmem\"")
        }
        #expect(try server.segment().version.number == 0)
    }

    @Test(
        "With a wrong token, a PUT is 403 and sets nothing",
        arguments: ["Bearer wrong", "Bearer s3cret-Tokenx", "Bearer "])
    func wrong(value: String) throws {
        // Whitespace at the end of a header's value is not part of it: the last one here has no token at all.
        let status = value == "Bearer " ? 401 : 403
        let response = try server.request("PUT", "/shared", ["Authorization: \(value)"], body: [0x61])
        #expect(response.status == status)
        #expect(response.problem["status"] as? Int == status)
        #expect(try server.segment().version.number == 0)
    }

    @Test("A body without a token is refused before the client sends it")
    func expectation() throws {
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        #expect(try client.response().status == 401)
    }

    @Test("The service's own resources need no token", arguments: ["/livez", "/readyz", "/openapi.yaml"])
    func unprotected(target: String) throws {
        #expect(try server.request("GET", target).status == 200)
    }

    @Test("A token that a header cannot carry is refused", arguments: ["", "a b", "a\n", "ñ"])
    func invalid(token: String) {
        #expect(throws: ServerError.invalidToken) { try TestServer { $0.token = token } }
    }
}
