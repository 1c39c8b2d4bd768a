import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Event streams and long polls through TLS: sent by the hub's thread, on sessions that libmicrohttpd has made.
@Suite("Streams through TLS", .fewAtATime, .enabled("needs 4,096 descriptors") { Descriptors.raiseLimit() })
struct TLSStreamTests {
    /// Starts the client in `tls_client.py`.
    private func client(_ server: TestServer, _ arguments: String...) async throws -> ChildProcess {
        guard case .https(_, let port) = server.address else { throw SystemFailure(description: "no TLS") }
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("tls_client.py")
        let authority = try await TestCertificates.shared().certificate("ca")
        return try ChildProcess("python3", [script.path, authority, "\(port)"] + arguments)
    }

    /// A subscriber that has received the current text.
    private func curl(_ server: TestServer, _ arguments: String...) async throws -> ChildProcess {
        let certificates = try await TestCertificates.shared()
        let events = ["-N", "-H", "Accept: text/event-stream", "\(server.url)/shared"]
        return try ChildProcess("curl", certificates.curl(as: nil) + arguments + events)
    }

    private func digest(_ text: String) async throws -> String {
        let result = try await ChildProcess.run("sha256sum", [], input: Data(text.utf8))
        return String(result.text.prefix(64))
    }

    private func text(_ byteCount: Int, _ seed: Int) -> String {
        String(decoding: ChecksummedText.make(byteCount: byteCount, seed: UInt64(seed)), as: UTF8.self)
    }

    @Test("A stream has each text at once, and a proper end when the server stops", arguments: ["1.2", "1.3"])
    func stream(_ version: String) async throws {
        let server = try await TestServer.encrypted()
        let segment = try server.segment()
        try segment.set("first")
        let stream = try await curl(server, "--tls-max", version)
        _ = try await stream.line(beginning: "data: first")
        for number in 0..<50 {
            try segment.set("number \(number)")
            _ = try await stream.line(beginning: "data: number \(number)")
        }
        try segment.set("last")
        server.server.stop()
        // Had the end of the message or of TLS been missing, curl would report it.
        let end = try await stream.finish()
        #expect(end.status == 0 && end.text.hasSuffix("data: last\n\n"), "\(end.status) \(end.errors)")
    }

    @Test("A long poll is answered when the text changes, and after its time; its connection goes on")
    func poll() async throws {
        let server = try await TestServer.encrypted()
        let segment = try server.segment()
        let tag = "\"\(try segment.set("first"))\""
        let certificates = try await TestCertificates.shared()
        let request =
            certificates.curl(as: nil) + ["-w", " %{http_code} %{num_connects}\n", "-H", "If-None-Match: \(tag)"]
        let url = "\(server.url)/shared"
        let waiting = try ChildProcess("curl", request + ["-H", "Prefer: wait=60", url, url])
        let early = try await ChildProcess.run("curl", request + ["-H", "Prefer: wait=1", url, url])
        #expect(early.text == " 304 1\n 304 0\n")
        try segment.set("second")
        #expect(try await waiting.finish().text == "second 200 1\nsecond 200 0\n")
    }

    @Test("Large texts arrive whole at a reader that reads little at a time", arguments: [512, 5000])
    func slow(_ byteCount: Int) async throws {
        let server = try await TestServer.encrypted(capacity: 4 << 20)
        let segment = try server.segment()
        let texts = [text(1 << 20, 1), text(3_000_000, 2), text(16_384, 3), text(1 << 20, 4)]
        try segment.set(texts[0])
        let reader = try await client(server, "slow", "\(byteCount)")
        for (index, text) in texts.enumerated() {
            try segment.set(text)
            // The number of the version; the first text is set twice.
            _ = try await reader.line(beginning: "event \(index + 2) \(try await digest(text))")
        }
        server.server.stop()
        let end = try await reader.finish()
        #expect(end.status == 0 && end.text.hasSuffix("end\n"), "\(end.errors)")
    }

    /// What GnuTLS has encrypted cannot be replaced by a newer text, even if none of it has left.
    @Test("A reader that stands still gets whole texts, the last one among them, and holds nobody up", arguments: 0..<8)
    func stalled(_ round: Int) async throws {
        let server = try await TestServer.encrypted(capacity: 1 << 20)
        let segment = try server.segment()
        try segment.set("start")
        let stalled = try await client(server, "stalled")
        let other = try await curl(server)
        _ = try await stalled.line(beginning: "connected")
        _ = try await other.line(beginning: "data: start")
        var digests: [String: String] = [:]
        var number = 0
        // Until its socket is full, and then so that newer texts take the place of what waits.
        for index in 0..<150 {
            // From text to text, the place in a record where the socket is full is another.
            let text = text(9_000 + 1_777 * round + index, index)
            number = Int(try segment.set(text).number)
            digests["\(number)"] = try await digest(text)
            if index % 10 == 0 { _ = try await other.line(beginning: "id: ") }
        }
        try segment.set("end")
        _ = try await other.line(beginning: "data: end")
        try stalled.write(Data("\n".utf8))
        _ = try await stalled.line(beginning: "event \(number + 1) \(try await digest("end"))")
        server.server.stop()
        let end = try await stalled.finish()
        #expect(end.status == 0, "\(end.errors)")
        let events = end.text.split(separator: "\n").filter { $0.hasPrefix("event ") }.map { $0.split(separator: " ") }
        #expect(events.count > 2 && events.count < 150, "\(events.count) texts: some are skipped")
        for event in events {
            guard let expected = digests[String(event[1])] else { continue }
            #expect(event[2] == expected, "text \(event[1])")
        }
    }

    @Test("A client that does not read in time is disconnected, and another one gets its place")
    func tooSlow() async throws {
        let server = try await TestServer.encrypted { ($0.sendSeconds, $0.watcherLimit) = (1, 1) }
        let segment = try server.segment()
        let request = "GET /shared HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n"
        let stalled = try await TLSConnection(server.address)
        try stalled.send(request)
        try stalled.receive { $0.contains("data: ") }
        // Its time for each text is 2 seconds, and it reads nothing.
        let text = text(64 << 10, 1)
        let limit = ContinuousClock.now + .seconds(60)
        var hasPlace = false
        while !hasPlace, ContinuousClock.now < limit {
            for number in 0..<10 { try segment.set("\(number) " + text) }
            let other = try await TLSConnection(server.address)
            try other.send(request)
            hasPlace = try other.receive { $0.contains("data: ") || $0.contains("retry: ") }.contains("data: ")
        }
        #expect(hasPlace)
        try stalled.awaitEnd()
    }

    @Test("A thousand streams see each version that is set, and end when the server stops")
    func many() async throws {
        let server = try await TestServer.encrypted { ($0.connectionLimit, $0.watcherLimit) = (1100, 1050) }
        let segment = try server.segment()
        try segment.set("first")
        let clients = try await client(server, "many", "1000")
        _ = try await clients.line(beginning: "seen first", within: 120)
        for number in 0..<5 {
            try segment.set("number \(number)")
            _ = try await clients.line(beginning: "seen number \(number)")
        }
        server.server.stop()
        let end = try await clients.finish()
        #expect(end.status == 0 && end.text.hasSuffix("end\n"), "\(end.errors)")
    }

    @Test(
        "Certificates that are replaced all the time break no stream and no request, and new connections get the newest"
    )
    func replaced() async throws {
        let server = try await TestServer.encrypted()
        let segment = try server.segment()
        try segment.set("first")
        let certificates = try await TestCertificates.shared()
        let configurations = try ["renewed", "server"].map { try certificates.configuration($0) }
        let streams = [try await curl(server), try await curl(server, "--tls-max", "1.2")]
        for stream in streams { _ = try await stream.line(beginning: "data: first") }
        // Half of the requests on connections that go on, half on a connection each.
        let quiet = ["-o", "/dev/null", "-w", "%{http_code}\n"]
        let load = try [[], ["-H", "Connection: close"]].map { more in
            try ChildProcess("curl", certificates.curl(as: nil) + quiet + more + ["\(server.url)/shared?[1-400]"])
        }
        let isDone = Flag()
        let replacing = Task.detached {
            var count = 0
            while !isDone.isRaised {
                try server.server.replaceTLS(configurations[count % 2])
                count += 1
                try await Task.sleep(for: .milliseconds(1))
            }
            return count
        }
        for number in 0..<20 {
            try segment.set("number \(number)")
            for stream in streams { _ = try await stream.line(beginning: "data: number \(number)") }
        }
        for client in load {
            let result = try await client.finish(within: 120)
            let codes = result.text.split(separator: "\n")
            #expect(codes.count == 400 && codes.allSatisfy { $0 == "200" }, "\(result.errors)")
        }
        isDone.raise()
        #expect(try await replacing.value > 20)
        for name in ["renewed", "server"] {
            try server.server.replaceTLS(try certificates.configuration(name))
            #expect(try await subject(server) == name)
        }
        // One whose key is another's is refused as a whole.
        var broken = configurations[0]
        broken.key = configurations[1].key
        #expect(throws: ServerError.self) { try server.server.replaceTLS(broken) }
        #expect(try await subject(server) == "server")
        server.server.stop()
        for stream in streams { #expect(try await stream.finish().status == 0) }
    }

    /// The common name of the certificate that a new connection gets.
    private func subject(_ server: TestServer) async throws -> String {
        guard case .https(let host, let port) = server.address else { return "" }
        let result = try await ChildProcess.run("openssl", ["s_client", "-connect", "\(host):\(port)"])
        let line = result.text.split(separator: "\n").first { $0.hasPrefix("subject=") } ?? ""
        return String(line.split(separator: " ").last ?? "")
    }
}
