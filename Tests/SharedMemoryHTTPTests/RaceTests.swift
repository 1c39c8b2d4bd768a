import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

@Suite("Races", .fewAtATime)
struct RaceTests {
    @Test("Of two concurrent PUTs with the same If-Match, exactly one succeeds")
    func twoPUTs() async throws {
        let server = try TestServer { $0.threadCount = 2 }
        let clients = try [server.connect(), server.connect()]
        var tag = try #require(try server.request()["ETag"])
        var wins = [0, 0]
        for round in 0..<1000 {
            let texts = ["a \(round)", "b \(round)"]
            for (client, text) in zip(clients, texts) {
                try client.send(
                    "PUT /shared HTTP/1.1\r\nHost: a\r\nIf-Match: \(tag)\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
                )
            }
            let responses = try clients.map { try $0.response() }
            #expect(responses.map(\.status).sorted() == [204, 412])
            let winner = responses[0].status == 204 ? 0 : 1
            wins[winner] += 1
            let current = try server.request()
            #expect(current.text == texts[winner])
            #expect(current["ETag"] == responses[winner]["ETag"])
            #expect(current["ETag"] == responses[1 - winner]["ETag"])
            tag = current["ETag"] ?? ""
        }
        #expect(try server.segment().version.number == 1000)
    }

    @Test("Of a PUT and a local set from the same version, exactly one succeeds")
    func localWriter() async throws {
        let server = try TestServer()
        let probe = try ChildProcess.probe(.race("local"), server.directory)
        _ = try await probe.line(beginning: "attached")
        let client = try server.connect()
        let segment = try server.segment()
        var wins = [0, 0]
        for _ in 0..<1000 {
            let version = try segment.version
            let request = "PUT /shared HTTP/1.1\r\nHost: a\r\nIf-Match: \"\(version)\"\r\nContent-Length: 4\r\n\r\nhttp"
            try probe.write(.init("\(version)\n".utf8))
            try client.send(request)
            let isSet = try client.response().status == 204
            let outcome = try await eventually("the other writer's outcome") { () -> Bool? in
                if probe.outputSoFar.contains("won \(version)\n") { return true }
                return probe.outputSoFar.contains("lost \(version)\n") ? false : nil
            }
            #expect(isSet != outcome, "\(version)")
            #expect(try segment.get() == (isSet ? "http" : "local"))
            #expect(try segment.version.number == version.number + 1)
            wins[isSet ? 0 : 1] += 1
        }
        _ = try await probe.finish()
    }
}
