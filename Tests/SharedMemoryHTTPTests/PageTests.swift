import Foundation
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// What a browser is answered at the paths of the texts and the list; `Scripts/page` uses the page in a browser.
@Suite("Page", .fewAtATime)
struct PageTests {
    static let browser =
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"

    @Test("A browser gets the page", arguments: ["/", "/shared", "/shared/", "/shared/text", "/shared/unknown"])
    func page(_ target: String) throws {
        let server = try TestServer()
        let page = try server.request("GET", target, [Self.browser])
        #expect(page.status == 200 && page["Content-Type"] == "text/html; charset=utf-8")
        #expect(page["Cache-Control"] == "no-cache" && page["Vary"] == "Accept")
        #expect(page["X-Content-Type-Options"] == "nosniff" && page["Referrer-Policy"] == "no-referrer")
        #expect(page.text.hasPrefix("<!doctype html>") && page.text.hasSuffix("</html>"))
        let tag = try #require(page["ETag"])
        #expect(tag.hasPrefix("\""))
        let head = try server.request("HEAD", target, [Self.browser])
        #expect(head.status == 200 && head.body.isEmpty && head["ETag"] == tag)
        #expect(head["Content-Length"] == "\(page.body.count)")
        let again = try server.request("GET", target, [Self.browser, "If-None-Match: \(tag)"])
        #expect(again.status == 304 && again.body.isEmpty && again["ETag"] == tag && again["Vary"] == "Accept")
    }

    @Test("Only a client that prefers text/html gets the page, and no program does that prefers something else")
    func negotiation() throws {
        let server = try TestServer()
        _ = try server.set("the text")
        func type(_ target: String, _ fields: [String]) throws -> String? {
            let response = try server.request("HEAD", target, fields)
            return response.status == 200 ? response["Content-Type"] : "\(response.status)"
        }
        let (text, json, html) = ("text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8")
        for (accept, atText, atList) in [
            (nil, text, json), ("*/*", text, json), ("text/*", text, json), ("text/plain", text, json),
            ("text/html", html, html), ("text/html;q=0.5", html, html), ("TEXT/HTML, */*;q=0.9", html, html),
            ("text/html;q=0", text, json), ("text/html;q=0.5, */*", text, json),
            ("text/html;q=0.5, text/plain", text, json), ("text/html, text/plain", text, json),
            ("text/html, text/event-stream;q=0.9", html, html),
            ("application/json", text, json), ("application/json, text/html;q=0.9", text, json),
            ("application/json;q=0.5, text/html", html, html), ("application/json, text/plain, */*", text, json),
            // What Java's HttpURLConnection sends unless told otherwise.
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", text, json),
        ] as [(String?, String, String)] {
            let fields = accept.map { ["Accept: \($0)"] } ?? []
            #expect(try type("/shared", fields) == atText, "\(accept ?? "none")")
            #expect(try type("/shared/text", fields) == atText, "\(accept ?? "none")")
            #expect(try type("/", fields) == atList, "\(accept ?? "none")")
        }
        for target in ["/shared", "/"] {
            #expect(try type(target, ["Accept: text/event-stream, text/html;q=0.9"]) == "text/event-stream")
        }
        #expect(try server.request("GET", "/shared", ["Accept: */*"]).text == "the text")
        #expect(try type("/metrics", [Self.browser]) != html)
        #expect(try type("/unknown", [Self.browser]) == "404")
    }

    @Test("The page's policy permits its own style sheet and scripts, by their digests, and nothing from elsewhere")
    func policy() async throws {
        let server = try TestServer()
        let page = try server.request("GET", "/", [Self.browser])
        let policy = try #require(page["Content-Security-Policy"])
        let directives = policy.components(separatedBy: "; ")
        for directive in ["default", "base-uri", "form-action", "frame-ancestors"] {
            #expect(directives.contains { $0.hasPrefix(directive) && $0.hasSuffix(" 'none'") }, "\(directive)")
        }
        #expect(directives.contains("connect-src 'self'") && directives.contains("img-src data:"))
        #expect(!policy.contains("unsafe") && !policy.contains("*") && !policy.contains("http"))
        for element in ["style", "script"] {
            let contents = page.text.components(separatedBy: "<\(element)>").dropFirst().map {
                $0.components(separatedBy: "</\(element)>")[0]
            }
            #expect(!contents.isEmpty)
            var sources: [String] = []
            for content in contents {
                let result = try await ChildProcess.run(
                    "sh", ["-c", "openssl dgst -sha256 -binary | openssl base64 -A"], input: Data(content.utf8))
                sources.append("'sha256-\(result.text)'")
            }
            #expect(directives.contains("\(element)-src \(sources.joined(separator: " "))"))
        }
        for reference in ["src=", "href=\"page", "url(", "@import", "style=", "onclick=\"", "innerHTML"] {
            #expect(!page.text.contains(reference), "\(reference)")
        }
        #expect(page.body.count < 60_000)
    }

    @Test("The page needs no token, and shows nothing that does")
    func token() throws {
        let server = try TestServer(segments: ["secret-name"]) { $0.tokens = [try AccessToken(TestServer.token)] }
        _ = try server.segment("secret-name").set("secret text")
        let open = try TestServer()
        let expected = try open.request("GET", "/", [Self.browser]).body
        for target in ["/", "/shared", "/shared/", "/shared/secret-name", "/shared/unknown"] {
            for fields in [[], ["Authorization: Bearer wrong-wrong-wrong-wrong"], [TestServer.bearer]] {
                #expect(try server.request("GET", target, [Self.browser] + fields).body == expected)
            }
            #expect(try server.request("GET", target).status == 401)
            #expect(try server.request("GET", target, ["Accept: text/event-stream"]).status == 401)
            #expect(try server.request("PUT", target, [Self.browser], body: []).status == 401)
        }
    }

    @Test("The page can be read and nothing else, and the host check applies to it")
    func methods() throws {
        let server = try TestServer()
        for method in ["POST", "PUT", "DELETE"] {
            let response = try server.request(method, "/", [Self.browser])
            #expect(response.status == 405 && response["Allow"] == "GET, HEAD, OPTIONS", "\(method)")
        }
        #expect(try server.request("OPTIONS", "/", [Self.browser])["Allow"] == "GET, HEAD, OPTIONS")
        #expect(try server.request("GET", "http://evil.example/", [Self.browser]).status == 421)
        #expect(try server.request("GET", "/", [Self.browser, "If-Match: \"x\""]).status == 412)
    }

    @Test("OPTIONS lists the methods that the client's role permits")
    func options() throws {
        let tokens = AccessToken.Role.allCases.map { ($0, String(repeating: $0.rawValue, count: 5)) }
        func allowed(_ role: String, _ target: String, _ configure: (inout ServerConfiguration) -> Void) throws
            -> String
        {
            let server = try TestServer {
                $0.tokens = try tokens.map { try AccessToken($1, role: $0) }
                configure(&$0)
            }
            _ = try server.segment().set("")
            let response = try server.request("OPTIONS", target, ["Authorization: Bearer \(role)"])
            #expect(response.status == 204)
            return response["Allow"] ?? ""
        }
        let read = "GET, HEAD, OPTIONS"
        let (write, all) = ("GET, HEAD, PUT, OPTIONS", "GET, HEAD, PUT, DELETE, OPTIONS")
        for ((role, token), (fixed, dynamic, missing)) in zip(
            tokens, [(read, read, read), (write, write, read), (write, all, all)])
        {
            #expect(try allowed(token, "/shared/text") { _ in } == fixed, "\(role)")
            #expect(try allowed(token, "/shared/text") { $0.isDynamic = true } == dynamic, "\(role)")
            #expect(try allowed(token, "/shared/missing") { $0.isDynamic = true } == missing, "\(role)")
            #expect(try allowed(token, "/shared/text") { $0.isReadOnly = true } == read, "\(role)")
        }
    }
}
