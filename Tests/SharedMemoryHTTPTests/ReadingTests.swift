import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("Reading", .fewAtATime)
struct ReadingTests {
    let server: TestServer

    init() throws { server = try TestServer(segments: ["text", "other.text-2_x"]) }

    @Test("A segment that was never set reads as empty text")
    func neverSet() throws {
        let response = try server.request()
        #expect(response.status == 200)
        #expect(response.body.isEmpty)
        #expect(response["Content-Length"] == "0")
        #expect(response["ETag"] == "\"\(try server.segment().version)\"")
        #expect(response["ETag"]?.hasSuffix("-0\"") == true)
    }

    @Test("GET returns the text that was set in memory, with its version as the entity tag")
    func memoryToHTTP() throws {
        let segment = try server.segment()
        for text in ["a", "Esta es una cadena de prueba", "ñ 漢 😀 \u{10FFFF}\n", ""] {
            let version = try segment.set(text)
            let response = try server.request()
            #expect(response.status == 200)
            #expect(response.text == text)
            #expect(response["ETag"] == "\"\(version)\"")
            #expect(response["Content-Type"] == "text/plain; charset=utf-8")
            #expect(response["Cache-Control"] == "no-cache, no-transform")
            #expect(response["Content-Length"] == "\(text.utf8.count)")
        }
    }

    @Test("Each segment is served under its name, and the first also without one")
    func names() throws {
        try server.segment().set("one")
        try server.segment("other.text-2_x").set("two")
        #expect(try server.request("GET", "/shared").text == "one")
        #expect(try server.request("GET", "/shared/text").text == "one")
        #expect(try server.request("GET", "/shared/other.text-2_x").text == "two")
    }

    @Test("HEAD returns the headers of GET without the body")
    func head() throws {
        try server.segment().set("twelve bytes")
        let client = try server.connect()
        let get = try client.request("GET")
        let head = try client.request("HEAD")
        #expect(head.status == 200)
        #expect(head.body.isEmpty)
        for name in ["ETag", "Last-Modified", "Content-Type", "Cache-Control", "Content-Length"] {
            #expect(head[name] == get[name], "\(name)")
        }
        #expect(head["Content-Length"] == "12")
        // Nothing was sent after the head: the next response begins right behind it.
        #expect(try client.request("GET").text == "twelve bytes")
    }

    @Test(
        "OPTIONS lists the methods of a resource",
        arguments: [
            ("/shared", "GET, HEAD, PUT, OPTIONS"), ("/shared/text", "GET, HEAD, PUT, OPTIONS"),
            ("/livez", "GET, HEAD, OPTIONS"), ("/readyz", "GET, HEAD, OPTIONS"),
            ("/openapi.yaml", "GET, HEAD, OPTIONS"), ("*", "GET, HEAD, PUT, OPTIONS"),
            ("/", "GET, HEAD, OPTIONS"), ("/shared/", "GET, HEAD, OPTIONS"),
        ])
    func options(target: String, allowed: String) throws {
        let response = try server.request("OPTIONS", target)
        #expect(response.status == 204)
        #expect(response["Allow"] == allowed)
    }

    @Test(
        "A method that a resource does not allow is 405, with the allowed ones",
        arguments: [
            "POST", "DELETE", "PATCH", "TRACE", "CONNECT",
        ])
    func otherMethods(method: String) throws {
        for (target, allowed) in [("/shared", "GET, HEAD, PUT, OPTIONS"), ("/livez", "GET, HEAD, OPTIONS")] {
            let response = try server.request(method, target)
            #expect(response.status == 405)
            #expect(response["Allow"] == allowed)
            #expect(response.problem["status"] as? Int == 405)
        }
    }

    @Test("The service's own resources do not allow PUT", arguments: ["/livez", "/readyz", "/openapi.yaml"])
    func putElsewhere(target: String) throws {
        let response = try server.request("PUT", target, body: [0x61])
        #expect(response.status == 405)
        #expect(response["Allow"] == "GET, HEAD, OPTIONS")
    }

    @Test("An unknown method is 501", arguments: ["BREW", "get"])
    func unknownMethods(method: String) throws {
        let response = try server.request(method)
        #expect(response.status == 501)
        #expect(response.problem["status"] as? Int == 501)
    }

    @Test(
        "An unknown path or name is 404",
        arguments: [
            "/nothing", "/shared/nobody", "/shared/text/", "/sharedx", "/Shared", "/shared%2Ftext",
            "/shared/text%00", "/shared%00", "/shared/te%C3%A9xt", "/livez/", "//shared", "/shared/../shared",
        ])
    func unknownPaths(target: String) throws {
        for method in ["GET", "HEAD", "PUT"] {
            let response = try server.request(method, target, body: method == "PUT" ? [0x61] : nil)
            #expect(response.status == 404, "\(method)")
        }
        #expect(try server.request("GET", target).problem["title"] as? String == "Not found")
        #expect(try server.segment().version.number == 0)
    }

    @Test(
        "Equivalent targets lead to the same resource",
        arguments: [
            "/sh%61red", "/shared/t%65xt", "/shared?", "/shared?a=b&c", "http://localhost/shared",
            "HTTP://a:1/shared?x",
        ])
    func equivalentTargets(target: String) throws {
        try server.segment().set("here")
        #expect(try server.request("GET", target).text == "here")
    }

    @Test("A running server is alive and ready")
    func probes() throws {
        for (target, line) in [("/livez", "alive\n"), ("/readyz", "ready\n")] {
            let client = try server.connect()
            let response = try client.request("GET", target)
            #expect(response.status == 200)
            #expect(response.text == line)
            #expect(response["Cache-Control"] == "no-store")
            #expect(try client.request("HEAD", target).status == 200)
        }
    }
}
