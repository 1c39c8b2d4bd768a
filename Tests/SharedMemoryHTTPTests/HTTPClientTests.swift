import Foundation
import GnuTLS
import HTTPClient
import LinuxSystem
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("The HTTP client", .fewAtATime)
struct HTTPClientTests {
    /// Accepts connections, and answers the first request on each with what it is told.
    private final class CannedServer: Sendable {
        let url: ServerURL

        init(_ answer: String, pieceByteCount: Int = .max, holdsOpen: Bool = false) throws {
            let address = try SocketAddress(host: "127.0.0.1", port: 0)
            let socket = try Socket(family: address.family)
            try socket.bind(address)
            try socket.listen()
            let bound = try #require(SocketAddress(of: socket.descriptor).numericHostAndPort)
            url = try #require(ServerURL("http://127.0.0.1:\(bound.port)/shared"))
            let descriptor = dup(socket.descriptor)
            Thread.detachNewThread {
                let listener = Socket(owning: descriptor)
                guard (try? Socket.wait(for: .readable, of: descriptor, timeoutMilliseconds: 60_000)) == true,
                    let accepted = Socket.acceptWaiting(at: listener.descriptor).first
                else { return }
                let client = Socket(owning: accepted)
                _ = try? Socket.wait(for: .readable, of: accepted, timeoutMilliseconds: 60_000)
                _ = try? Socket.receive(from: accepted, limit: 1 << 16)
                var rest = Array(answer.utf8)[...]
                while !rest.isEmpty {
                    _ = Socket.send(Array(rest.prefix(pieceByteCount)).span, to: client.descriptor)
                    rest = rest.dropFirst(pieceByteCount)
                }
                if holdsOpen {
                    _ = try? Socket.wait(for: .readable, of: accepted, timeoutMilliseconds: 60_000)
                } else {
                    Socket.finishSending(accepted)
                    _ = try? Socket.wait(for: .readable, of: accepted, timeoutMilliseconds: 60_000)
                }
            }
        }

        func connection(timeoutMilliseconds: Int = 60_000, interruption: CInt? = nil) throws -> HTTPConnection {
            try HTTPConnection(
                to: url, ClientLimits(timeoutMilliseconds: timeoutMilliseconds, interruption: interruption))
        }
    }

    // MARK: URLs

    @Test(
        "A URL has a scheme, a host, a port and a path",
        arguments: [
            ("http://a", "a", 80, ""), ("https://a", "a", 443, ""), ("http://a:81/", "a", 81, "/"),
            ("https://[::1]:8443/shared/x?version=1#part", "::1", 8443, "/shared/x?version=1"),
            ("http://[::1]", "::1", 80, ""),
        ])
    func urls(_ text: String, _ host: String, _ port: UInt16, _ path: String) throws {
        let url = try #require(ServerURL(text))
        #expect(url.place == .tcp(host: host, port: port) && url.path == path)
        #expect(url.isEncrypted == text.hasPrefix("https"))
    }

    @Test(
        "What is no URL of a server is refused",
        arguments: [
            "", "a", "a:80", "ftp://a", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:x",
            "http://u@a",
            "http://[::1", "http://[::1]x", "http://a b", "http://é", "http://a?x", "unix:",
        ])
    func badURLs(_ text: String) { #expect(ServerURL(text) == nil) }

    // MARK: Responses

    @Test(
        "A body ends where its framing says, however the bytes arrive",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200\r\ncontent-length:5 \r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nhel\r\n02\r\nlo\r\n0\r\nTrailer: x\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.1 200 OK\nConnection: close\n\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ], [1, 1000])
    func bodies(_ answer: String, pieceByteCount: Int) throws {
        let connection = try CannedServer(answer, pieceByteCount: pieceByteCount).connection()
        let response = try connection.exchange(HTTPRequest("GET", "/shared"))
        #expect(response.status == 200)
        #expect(String(decoding: try connection.readAll(limit: 5), as: UTF8.self) == "hello")
        #expect(connection.isReusable == (answer.contains("ength") || answer.contains("Chunked")))
    }

    @Test(
        "What is cut short is an error, and not a shorter text",
        arguments: [
            "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello",
        ])
    func cutShort(_ answer: String) throws {
        let connection = try CannedServer(answer).connection()
        #expect(throws: HTTPFault.ended(reason: "before the end of the response")) {
            _ = try connection.exchange(HTTPRequest("GET", "/shared"))
            _ = try connection.readAll(limit: 100)
        }
    }

    @Test(
        "What is not HTTP is an error",
        arguments: [
            "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno name\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntoo long",
            "HTTP/1.1 200 OK\r\nA: \(String(repeating: "x", count: 70_000))\r\n\r\n",
        ])
    func malformed(_ answer: String) throws {
        let connection = try CannedServer(answer).connection()
        do {
            _ = try connection.exchange(HTTPRequest("GET", "/shared"))
            _ = try connection.readAll(limit: 5)
            Issue.record("\(answer.prefix(100)) was accepted")
        } catch HTTPFault.malformed {}
    }

    // MARK: The end of waiting

    @Test("A server that says nothing is left when the time is up")
    func timeout() throws {
        let connection = try CannedServer("HTTP/1.1 200 OK\r\n", holdsOpen: true).connection(timeoutMilliseconds: 50)
        #expect(throws: HTTPFault.timedOut) { _ = try connection.exchange(HTTPRequest("GET", "/shared")) }
    }

    @Test("Another thread can end the wait")
    func interruption() throws {
        let end = try EventDescriptor()
        let connection = try CannedServer("HTTP/1.1 200 OK\r\n", holdsOpen: true).connection(
            interruption: end.descriptor)
        end.signal()
        #expect(throws: HTTPFault.interrupted) { _ = try connection.exchange(HTTPRequest("GET", "/shared")) }
    }

    @Test("A kept connection is open until the server ends it")
    func keptConnection() async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        for holdsOpen in [true, false] {
            let connection = try CannedServer(answer, holdsOpen: holdsOpen).connection()
            _ = try connection.exchange(HTTPRequest("GET", "/shared"))
            #expect(try connection.readAll(limit: 5).isEmpty && connection.isReusable)
            if holdsOpen {
                #expect(connection.isOpen)
            } else {
                try await eventually("the end of the connection") { connection.isOpen ? nil : () }
            }
        }
    }

    @Test("Without a server, nothing was sent")
    func unreachable() throws {
        let address = try SocketAddress(host: "127.0.0.1", port: 0)
        let unused = try Socket(family: address.family)
        try unused.bind(address)
        let port = try #require(SocketAddress(of: unused.descriptor).numericHostAndPort?.port)
        let url = try #require(ServerURL("http://127.0.0.1:\(port)"))
        let fault = #expect(throws: HTTPFault.self) {
            try HTTPConnection(to: url, ClientLimits(timeoutMilliseconds: 60_000))
        }
        #expect(fault == .unreachable(reason: "Connection refused") && fault?.isUnsent == true)
    }

    // MARK: With our server

    @Test("A connection carries many exchanges with the server, through TLS and without", arguments: [false, true])
    func exchanges(_ isEncrypted: Bool) async throws {
        let server = isEncrypted ? try await TestServer.encrypted() : try TestServer()
        var identity = ClientIdentity()
        if isEncrypted { identity.authorities = try await TestCertificates.shared().certificate("ca") }
        let url = try #require(ServerURL(server.url))
        let connection = try HTTPConnection(to: url, ClientLimits(timeoutMilliseconds: 60_000), identity)
        for byteCount in [0, 1, 5000, 300_000] {
            let text = [UInt8](repeating: 120, count: byteCount)
            var put = HTTPRequest("PUT", "/shared")
            put.body = text
            let answer = try connection.exchange(put)
            #expect(answer.status == 204 && connection.isReusable)
            let response = try connection.exchange(HTTPRequest("GET", "/shared"))
            #expect(response["etag"] == answer["etag"])
            #expect(try connection.readAll(limit: byteCount) == text)
        }
    }

    @Test("A server whose certificate is not trusted is not reached")
    func untrusted() async throws {
        let server = try await TestServer.encrypted()
        let url = try #require(ServerURL(server.url))
        let fault = #expect(throws: HTTPFault.self) {
            try HTTPConnection(to: url, ClientLimits(timeoutMilliseconds: 60_000))
        }
        #expect(fault?.isUnsent == true)
    }
}
