import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// What real clients, proxies and orchestrators send, each as it was seen.
@Suite("Real clients", .fewAtATime)
struct RealClientsTests {
    // MARK: Conditions

    @Test("304 has the fields that a cache needs, and none that describe a body")
    func notModified() throws {
        let server = try TestServer()
        let tag = try #require(try server.set("text")["ETag"])
        for fields in [["If-None-Match: \(tag)"], ["If-None-Match: \(tag)", "Prefer: wait=0"]] {
            let response = try server.request("GET", "/shared", fields)
            #expect(response.status == 304 && response["ETag"] == tag && response["Date"] != nil)
            #expect(response["Vary"] == "Accept" && response["Cache-Control"] == "no-cache, no-transform")
            for name in ["Content-Type", "Last-Modified", "X-Content-Type-Options"] {
                #expect(response[name] == nil, "\(name)")
            }
        }
        let contract = try server.request("GET", "/openapi.yaml")
        let unchanged = try server.request("GET", "/openapi.yaml", ["If-None-Match: \(contract["ETag"] ?? "")"])
        #expect(unchanged.status == 304 && unchanged["Content-Type"] == nil)
    }

    @Test("A tag that a compressing proxy has altered is known in If-None-Match, and named as the cause in If-Match")
    func alteredTag() throws {
        let server = try TestServer()
        let tag = try #require(try server.set("text")["ETag"])
        for altered in ["W/\(tag)", "\(tag.dropLast())-gzip\"", "W/\(tag.dropLast());br\""] {
            #expect(try server.request("GET", "/shared", ["If-None-Match: \(altered)"]).status == 304)
            let refused = try server.set("new", ["If-Match: \(altered)"])
            #expect(refused.status == 412 && refused["ETag"] == tag)
            #expect((refused.problem["detail"] as? String)?.hasPrefix("A proxy on the way has altered the tag") == true)
            let read = try server.request("GET", "/shared", ["If-Match: \(altered)"])
            #expect((read.problem["detail"] as? String)?.hasPrefix("A proxy on the way") == true)
        }
        let other = try server.set("new", ["If-Match: \"other\""])
        #expect((other.problem["detail"] as? String)?.hasPrefix("The current version is") == true)
    }

    @Test("If-Unmodified-Since with the Last-Modified that was served holds")
    func unmodifiedSince() throws {
        let server = try TestServer()
        _ = try server.set("text")
        try server.setTextsAge(seconds: 10)
        let date = try #require(try server.request()["Last-Modified"])
        #expect(try server.set("new", ["If-Unmodified-Since: \(date)"]).status == 204)
        #expect(try server.set("newer", ["If-Unmodified-Since: \(date)"]).status == 412)
    }

    @Test("A condition that fails is answered before the body is asked for")
    func failsBeforeContinue() throws {
        let server = try TestServer()
        _ = try server.set("text")
        let client = try server.connect()
        try client.send(
            "PUT /shared HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\nIf-Match: \"x\"\r\n\r\n"
        )
        #expect(try client.response().status == 412)
        #expect(client.isEnded())
        #expect(try server.segment().get() == "text")
    }

    // MARK: Waiting

    @Test("A poll with a tag that is not quoted is refused, rather than answered at once again and again")
    func unquotedTag() throws {
        let server = try TestServer()
        let tag = try #require(try server.set("text")["ETag"]).dropFirst().dropLast()
        let response = try server.request("GET", "/shared", ["If-None-Match: \(tag)", "Prefer: wait=60"])
        #expect(response.status == 400)
        #expect(try server.request("GET", "/shared", ["If-None-Match: \(tag)"]).status == 200)
    }

    @Test(
        "A time to wait that is not in whole seconds is refused",
        arguments: ["wait=1s", "wait=1.5", "wait=", "wait=-1"])
    func malformedWait(_ preference: String) throws {
        let server = try TestServer()
        let response = try server.request("GET", "/shared", ["Prefer: \(preference)", "If-None-Match: \"x\""])
        #expect(response.status == 400)
        #expect((response.problem["detail"] as? String)?.contains("wait=25") == true)
    }

    // MARK: Bodies

    @Test("A form that a browser or curl -F sends is not taken for the text")
    func multipart() throws {
        let server = try TestServer()
        let refused = try server.set("--x\r\n\r\ntext\r\n--x--", ["Content-Type: multipart/form-data; boundary=x"])
        #expect(refused.status == 415)
        #expect(try server.segment().version.number == 0)
        #expect(try server.set("text", ["Content-Type: text/plain; charset=us-ascii"]).status == 204)
    }

    @Test("A PUT over HTTP/1.0 without a length is refused, and not taken for the empty text")
    func noLength() throws {
        let server = try TestServer()
        _ = try server.set("text")
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.0\r\n\r\nnew text")
        client.shutDownSending()
        #expect(try client.response().status == 400)
        #expect(try server.segment().get() == "text")
        let empty = try server.connect()
        try empty.send("PUT /shared HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
        #expect(try empty.response().status == 204)
    }

    // MARK: Hosts

    @Test("Probes may come by any address, as a kubelet's do; requests for the text may not")
    func probes() throws {
        let server = try TestServer()
        for path in ["/livez", "/readyz"] {
            let client = try server.connect()
            try client.send("GET \(path) HTTP/1.1\r\nHost: 10.1.2.3:8080\r\n\r\n")
            #expect(try client.response().status == 200)
        }
        let client = try server.connect()
        try client.send("GET /shared HTTP/1.1\r\nHost: 10.1.2.3:8080\r\n\r\n")
        #expect(try client.response().status == 421)
    }
}
