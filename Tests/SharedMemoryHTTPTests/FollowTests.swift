import Foundation
import LinuxSystem
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// Servers that follow others, each with a directory of its own, as on as many hosts.
@Suite("Following another server", .fewAtATime)
struct FollowTests {
    // MARK: Reading

    @Test("What is set at the origin is in the memory of every host, under the same version", arguments: [1, 2, 3])
    func read(depth: Int) async throws {
        let chain = try await Chain(depth)
        let (origin, relays) = (chain.origin, chain.relays)
        for text in ["first", "", "line\nline\r\n\rend", "ünï 🙂", String(repeating: "x", count: 300_000)] {
            let tag = try origin.set(text)["ETag"]
            for relay in relays {
                try await eventually("the text at a relay") { try relay.segment().get() == text ? () : nil }
                let answer = try await eventually("the version at a relay") {
                    let answer = try relay.request()
                    return answer["ETag"] == tag ? answer : nil
                }
                #expect(answer.text == text)
                #expect(try relay.request("GET", "/shared", ["If-None-Match: \(tag ?? "")"]).status == 304)
            }
        }
    }

    @Test("A response says how old the text may be, and through how many servers it came")
    func ageAndWay() async throws {
        let chain = try await Chain(3)
        let origin = chain.origin
        #expect(try origin.set("x")["Age"] == nil)
        for (index, relay) in chain.relays.enumerated() {
            let answer = try await eventually("a confirmed text") {
                let answer = try relay.request()
                return answer["Age"] != nil ? answer : nil
            }
            #expect(answer["Via"]?.components(separatedBy: ", ").count == index + 1)
            #expect(answer["Age"].flatMap { Int($0) }.map { $0 > 0 } == true)
        }
        #expect(try origin.request()["Via"] == nil)
    }

    @Test("Event streams and long polls of a relay bring what the origin's bring")
    func subscribers() async throws {
        let origin = try TestServer()
        _ = try origin.set("old")
        let relay = try await relay(of: origin)
        let stream = try EventStream(try relay.connect())
        let first = try #require(try stream.next())
        #expect(String(decoding: first.data, as: UTF8.self) == "old")
        let poll = try relay.connect()
        try poll.send("GET /shared HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"\(first.id)\"\r\nPrefer: wait=60\r\n\r\n")
        let tag = try origin.set("new\r\nline")["ETag"]
        let second = try #require(try stream.next())
        #expect(String(decoding: second.data, as: UTF8.self) == "new\0\nline" && "\"\(second.id)\"" == tag)
        let polled = try poll.response()
        #expect(polled.status == 200 && polled["ETag"] == tag && polled.text == "new\r\nline")
    }

    @Test("Prefer: consistent shows what the origin has acknowledged before", arguments: [1, 2])
    func consistent(depth: Int) async throws {
        let chain = try await Chain(depth)
        let (origin, relay) = (chain.origin, chain.end)
        for number in 0..<20 {
            _ = try origin.set("\(number)")
            let answer = try relay.request("GET", "/shared", ["Prefer: consistent"])
            #expect(answer.status == 200 && answer.text == "\(number)")
        }
    }

    // MARK: Writing

    @Test("A PUT at a relay is one at the origin, and in the relay's memory before it is answered", arguments: [1, 2])
    func write(depth: Int) async throws {
        let chain = try await Chain(depth)
        let (origin, relay) = (chain.origin, chain.end)
        var tag: String?
        for text in ["a", "", "b\r\n", String(repeating: "y", count: 100_000)] {
            let answer = try relay.set(text, tag.map { ["If-Match: \($0)"] } ?? [])
            #expect(answer.status == 204)
            tag = answer["ETag"]
            #expect(try relay.segment().get() == text)
            #expect(try relay.request()["ETag"] == tag)
            #expect(try origin.request()["ETag"] == tag && origin.segment().get() == text)
        }
    }

    @Test("The conditions of a PUT hold for the origin's text")
    func conditions() async throws {
        let origin = try TestServer()
        let first = try #require(try origin.set("one")["ETag"])
        let relay = try await relay(of: origin)
        let second = try #require(try relay.set("two", ["If-Match: \(first)"])["ETag"])
        for fields in [
            ["If-Match: \(first)"], ["If-Match: \"nonsense\""], ["If-None-Match: *"], ["If-None-Match: \(second)"],
        ] {
            let answer = try relay.set("three", fields)
            #expect(answer.status == 412 && answer["ETag"] == second, "\(fields)")
        }
        #expect(try origin.segment().get() == "two")
        #expect(
            try relay.request("GET", "/metrics").text.contains(
                "sharedmem_segment_conflicts_total{segment=\"text\"} 4\n"))
        for fields in [["If-Match: \(first), \(second)"], ["If-Match: *"], ["If-None-Match: \(first)"]] {
            #expect(try relay.set("\(fields)", fields).status == 204, "\(fields)")
            #expect(try origin.segment().get() == "\(fields)")
        }
    }

    @Test("What cannot be the text is refused as at the origin, and not sent there")
    func badText() async throws {
        let origin = try TestServer(capacity: 1000)
        let relay = try await relay(of: origin) { $0.capacity = 500 }
        #expect(try relay.request("PUT", "/shared", body: [0xFF]).status == 400)
        #expect(try relay.request("PUT", "/shared", body: [0]).status == 400)
        #expect(try relay.set(String(repeating: "x", count: 501)).status == 413)
        #expect(try origin.segment().version.number == 0)
    }

    @Test("Of many PUTs at several relays, each is applied once")
    func contention() async throws {
        let origin = try TestServer()
        let relays = [try await relay(of: origin), try await relay(of: origin)]
        let count = 40
        let tags = try await TestServer.setOften(relays, count: count)
        #expect(Set(tags).count == 4 * count)
        #expect(try origin.segment().version.number == UInt64(4 * count))
    }

    @Test("A PUT whose answer is lost may have been applied: the client is told so, and it is applied at most once")
    func lostAnswers() async throws {
        let origin = try TestServer()
        _ = try origin.set("old")
        let proxy = try LossyProxy(to: origin)
        let relay = try await relay(of: proxy.url)
        proxy.loses = .answers
        let answer = try relay.set("new")
        #expect(answer.status == 504 && answer.text.contains("outcome-unknown"))
        try await checkContract(answer, "PUT", 504)
        #expect(try origin.segment().get() == "new" && origin.segment().version.number == 2)
        proxy.loses = .nothing
        try await eventually("the text at the relay") { try relay.segment().get() == "new" ? () : nil }
        #expect(try relay.set("newer").status == 204)
        #expect(try origin.segment().version.number == 3)
    }

    @Test("A PUT that does not arrive is sent again, and if none arrives, nothing is set")
    func lostRequests() async throws {
        let origin = try TestServer()
        let proxy = try LossyProxy(to: origin)
        let relay = try await relay(of: proxy.url)
        proxy.loses = .nextRequest
        #expect(try relay.set("new").status == 204)
        proxy.loses = .connections
        let answer = try relay.set("newer")
        #expect(answer.status == 503 || answer.status == 504)
        #expect(try origin.segment().get() == "new")
    }

    // MARK: Local processes

    @Test("Processes cannot set the text of a relay's segment, while it runs and after, until the segment is released")
    func marked() async throws {
        let origin = try TestServer()
        _ = try origin.set("right")
        let relay = try await relay(of: origin)
        let segment = try relay.segment()
        let url = relay.url.replacing("127.0.0.1", with: "localhost") + "/shared/text"
        func refusal(_ url: String?) -> SegmentError {
            .replicated(name: "text", directory: relay.directory.path, url: url)
        }
        #expect(throws: refusal(url)) { try segment.set("wrong") }
        #expect(throws: SegmentError.stillReplicated(name: "text")) {
            try Segment.release("text", directory: relay.directory.path)
        }
        // Nor can another server on the host.
        let other = try TestServer { $0.directory = relay.directory.path }
        let answer = try other.set("wrong")
        #expect(answer.status == 409 && answer.text.contains("/openapi.yaml#/components/examples/replicated"))
        #expect(answer.text.contains(url))
        try await checkContract(answer, "PUT", 409)
        #expect(try relay.set("new").status == 204)
        try await eventually("the text") { try other.request().text == "new" ? () : nil }
        // A server that follows that one is told that nothing was set.
        let follower = try await self.relay(of: other)
        #expect(try follower.set("wrong").status == 502)
        relay.server.stop()
        #expect(throws: refusal(nil)) { try segment.set("wrong") }
        #expect(try other.set("wrong").status == 409)
        #expect(try Segment.release("text", directory: relay.directory.path))
        #expect(try other.set("released").status == 204)
        #expect(try segment.get() == "released")
    }

    @Test("A relay marks its segment before it has reached the origin")
    func markedAtOnce() async throws {
        let origin = try TestServer()
        let proxy = try LossyProxy(to: origin)
        proxy.loses = .connections
        let relay = try TestServer { $0.follow = FollowConfiguration([proxy.url]) }
        let segment = try relay.segment()
        #expect(throws: SegmentError.self) { try segment.set("lost") }
        #expect(try segment.version.number == 0)
        // Nothing was replicated, so nothing is left.
        relay.server.stop()
        #expect(try segment.set("kept").number == 1)
    }

    @Test("Text from before a segment was replicated is overwritten with a warning, and counted")
    func overwritten() async throws {
        let origin = try TestServer()
        _ = try origin.set("theirs")
        let place = try TemporaryDirectory()
        let segment = try Segment.attach("text", AttachmentOptions(lifetime: .persistent, directory: place.path))
        try segment.set("ours")
        for count in [1, 0] {
            let relay = try await relay(of: origin) { $0.directory = place.path }
            #expect(try segment.get() == "theirs")
            let metrics = try relay.request("GET", "/metrics").text
            #expect(metrics.contains("sharedmem_replica_foreign_sets_total{segment=\"text\"} \(count)\n"), "\(metrics)")
            relay.server.stop()
        }
    }

    @Test("A released segment is not one that another server was waiting to replicate")
    func waitingServer() async throws {
        let origin = try TestServer()
        _ = try origin.set("x")
        let first = try await relay(of: origin)
        let second = try await relay(of: origin) { $0.directory = first.directory.path }
        first.server.stop()
        #expect(throws: SegmentError.stillReplicated(name: "text")) {
            try Segment.release("text", directory: first.directory.path)
        }
        extendLifetime(second)
    }

    @Test("A dynamic server neither removes nor creates what another server replicates")
    func dynamic() async throws {
        let origin = try TestServer()
        _ = try origin.set("x")
        let relay = try await relay(of: origin)
        let other = try TestServer {
            $0.directory = relay.directory.path
            $0.isDynamic = true
        }
        #expect(try other.request("DELETE", "/shared/text").status == 409)
        #expect(try other.request("GET", "/shared/text").text == "x")
        extendLifetime(relay)
        // One that accepts no text says nothing of where to set it.
        let readOnly = try await self.relay(of: origin) { $0.isReadOnly = true }
        let replication = try Segment.info("text", directory: readOnly.directory.path).replication
        #expect(replication?.isUnderWay == true && replication?.url == nil)
    }

    @Test("Text that another process puts into the segment all the same is never served, and is overwritten")
    func foreign() async throws {
        let origin = try TestServer()
        let tag = try origin.set("right")["ETag"]
        let relay = try await relay(of: origin)
        let segment = try relay.segment()
        // As a library does that does not know the mark.
        _ = try segment.set(replica: Array("wrong".utf8).span)
        let answer = try relay.request()
        #expect(answer.text == "right" && answer["ETag"] == tag)
        try await eventually("the right text") { try segment.get() == "right" ? () : nil }
        #expect(
            try relay.request("GET", "/metrics").text.contains(
                "sharedmem_replica_foreign_sets_total{segment=\"text\"} 1"))
        try Segment.unlink("text", directory: relay.directory.path)
        try await eventually("the text in a new segment") { try relay.segment().get() == "right" ? () : nil }
    }

    @Test("A relay that starts again finds its text in the segment, and does not set it once more")
    func restarted() async throws {
        let origin = try TestServer()
        _ = try origin.set("x")
        let first = try await relay(of: origin)
        let segment = try first.segment()
        let version = try segment.version
        first.server.stop()
        let second = try await relay(of: origin) { $0.directory = first.directory.path }
        #expect(try segment.version == version)
        // But a version that the origin sets with the same text is another one here, too.
        _ = try origin.set("x")
        try await eventually("the next version") {
            try segment.version.number == version.number + 1 ? () : nil
        }
        extendLifetime(second)
    }

    @Test("Of two servers on one host, one sets the text in the segment, and the other one takes over when it stops")
    func twoServers() async throws {
        let origin = try TestServer()
        _ = try origin.set("x")
        let first = try await relay(of: origin)
        let second = try await relay(of: origin) { $0.directory = first.directory.path }
        let segment = try first.segment()
        let before = try segment.version.number
        let tag = try origin.set("y")["ETag"]
        for relay in [first, second] {
            try await eventually("the text") { try relay.request()["ETag"] == tag ? () : nil }
        }
        try await eventually("the text") { try segment.get() == "y" ? () : nil }
        #expect(try segment.version.number == before + 1)
        for (relay, value) in [(first, 1), (second, 0)] {
            let metrics = try relay.request("GET", "/metrics").text
            #expect(metrics.contains("sharedmem_replica_publishes{segment=\"text\"} \(value).0\n"), "\(metrics)")
        }
        first.server.stop()
        _ = try origin.set("z")
        try await eventually("the text from the other server") { try segment.get() == "z" ? () : nil }
        second.server.stop()
        #expect(try FileManager.default.contentsOfDirectory(atPath: first.directory.path) == ["text.sharedmem"])
    }

    // MARK: Failures

    @Test(
        "While the origin is gone, the text stays, the server becomes unready, and PUTs are refused; then all goes on")
    func originGone() async throws {
        let origin = try TestServer()
        _ = try origin.set("kept")
        let proxy = try LossyProxy(to: origin)
        let relay = try await relay(of: proxy.url) { $0.maximumStalenessSeconds = 3 }
        #expect(try relay.request("GET", "/readyz").status == 200)
        proxy.loses = .connections
        #expect([503, 504].contains(try relay.set("new").status))
        try await eventually("the server unready") { try relay.request("GET", "/readyz").status == 503 ? () : nil }
        let answer = try relay.request()
        #expect(answer.text == "kept" && answer["Age"].flatMap { Int($0) }.map { $0 >= 3 } == true)
        #expect(try relay.segment().get() == "kept")
        proxy.loses = .nothing
        _ = try origin.set("changed")
        try await eventually("the server ready") { try relay.request("GET", "/readyz").status == 200 ? () : nil }
        try await eventually("the text") { try relay.segment().get() == "changed" ? () : nil }
    }

    @Test("A server that falls silent is left for the next one, without the connection having ended")
    func silence() async throws {
        let origin = try TestServer()
        _ = try origin.set("one")
        let proxy = try LossyProxy(to: origin)
        let relay = try TestServer { $0.follow = FollowConfiguration([proxy.url, origin.url]) }
        try await eventually("the text") { try relay.request().text == "one" ? () : nil }
        proxy.loses = .everything
        let tag = try origin.set("two")["ETag"]
        try await eventually("the text from the other server") { try relay.request()["ETag"] == tag ? () : nil }
    }

    @Test("A long text crosses a slow network in both directions, and the server begins only once")
    func slowNetwork() async throws {
        let origin = try TestServer()
        let long = String(repeating: "x", count: 1_048_000)
        _ = try origin.set(long)
        let proxy = try LossyProxy(to: origin)
        proxy.loses = .speed
        let relay = try await relay(of: proxy.url)
        #expect(try relay.segment().get() == long)
        _ = try origin.set(long.replacing("x", with: "y"))
        try await eventually("the next text") { try relay.segment().get().first == "y" ? () : nil }
        #expect(try relay.set(long.replacing("x", with: "z")).status == 204)
        #expect(try origin.segment().get().first == "z")
        #expect(proxy.connectionCount <= 4)
    }

    @Test("Each reason for which a server cannot be followed is reported once, however often it is tried")
    func reports() async throws {
        let origin = try TestServer()
        let reports = Reports()
        let proxies = [try LossyProxy(to: origin), try LossyProxy(to: origin)]
        for proxy in proxies { proxy.loses = .connections }
        let relay = try TestServer {
            $0.follow = FollowConfiguration(proxies.map(\.url))
            $0.logger = reports.logger
        }
        defer { withExtendedLifetime(relay) {} }
        try await eventually("some tries of each") { proxies.allSatisfy { $0.connectionCount >= 4 } ? () : nil }
        let reported = reports.entries.filter { $0.message.contains("cannot be followed") }.map(\.metadata)
        #expect(Set(reported.map { $0["url"] }).count == 2 && Set(reported).count == reported.count, "\(reported)")
    }

    @Test("An origin that has lost its text takes none away, and has the next one that is set")
    func emptyOrigin() async throws {
        let origin = try TestServer()
        _ = try origin.set("kept")
        let relay = try await relay(of: origin)
        try Segment.unlink("text", directory: origin.directory.path)
        try await eventually("the new segment of the origin") {
            try origin.request().text == "" ? () : nil
        }
        try await eventually("the notice") { try relay.request("GET", "/readyz").status == 503 ? () : nil }
        #expect(try relay.segment().get() == "kept" && relay.request().text == "kept")
        #expect(try relay.set("next").status == 204)
        #expect(try origin.segment().get() == "next" && relay.segment().get() == "next")
        #expect(try relay.request("GET", "/readyz").status == 200)
    }

    @Test("Servers that follow each other notice it: none is ready, and a PUT is refused")
    func loop() async throws {
        let ports = try (0..<2).map { _ in try unusedPort() }
        let servers = try (0..<2).map { index in
            try TestServer {
                $0.listen = [.tcp(host: "127.0.0.1", port: ports[index])]
                $0.follow = FollowConfiguration(["http://127.0.0.1:\(ports[1 - index])"])
                $0.maximumStalenessSeconds = 1
            }
        }
        try await eventually("the loop noticed") {
            try servers.allSatisfy { try $0.request("GET", "/readyz").status == 503 } ? () : nil
        }
        let answer = try servers[0].set("x")
        #expect([503, 508].contains(answer.status))
        #expect(try servers.allSatisfy { try $0.request().text == "" })
    }

    @Test("A request that has been here before is refused", arguments: ["PUT", "GET", "HEAD"])
    func requestLoop(_ method: String) async throws {
        let origin = try TestServer()
        let relay = try await relay(of: origin)
        let way = try #require(try relay.request()["Via"])
        let answer = try relay.request(
            method, "/shared", ["Via: 1.1 other, \(way)", "Prefer: consistent"], body: method == "PUT" ? [0x61] : nil)
        #expect(answer.status == 508)
        try await checkContract(answer, method, 508)
        #expect(try origin.segment().version.number == 0)
    }

    @Test("Text that is too long for one host stays away from it, and the last one stays there")
    func tooLong() async throws {
        let origin = try TestServer(capacity: 1000)
        _ = try origin.set("short")
        let relay = try await relay(of: origin) { $0.capacity = 100 }
        _ = try origin.set(String(repeating: "x", count: 101))
        try await eventually("the notice") { try relay.request("GET", "/readyz").status == 503 ? () : nil }
        #expect(try relay.request().text == "short" && relay.segment().get() == "short")
        _ = try origin.set("short again")
        try await eventually("the next text") { try relay.segment().get() == "short again" ? () : nil }
        #expect(try relay.request("GET", "/readyz").status == 200)
    }

    @Test("A token and a certificate are shown to the origin, and a wrong token is reported")
    func access() async throws {
        let certificates = try await TestCertificates.shared()
        let origin = try await TestServer.encrypted(clientsNeedCertificates: true) {
            $0.tokens = [try AccessToken(TestServer.token)]
        }
        var follow = FollowConfiguration([origin.url.replacing("127.0.0.1", with: "localhost")])
        follow.authorities = certificates.certificate("ca")
        (follow.certificate, follow.key) = (certificates.certificate("writer"), certificates.key("writer"))
        follow.token = TestServer.token
        let relay = try TestServer { $0.follow = follow }
        try await eventually("a ready server") { try relay.request("GET", "/readyz").status == 200 ? () : nil }
        #expect(try relay.set("through TLS").status == 204)
        follow.token = "another-token-of-16"
        let refused = try TestServer { $0.follow = follow }
        let answer = try refused.set("x")
        #expect(answer.status == 502 && answer.text.contains("status 401"))
        try await checkContract(answer, "PUT", 502)
        #expect(try refused.request("GET", "/readyz").status == 503)
    }

    // MARK: Configurations

    @Test(
        "What does not go together is refused",
        arguments: [
            { $0.follow = FollowConfiguration([]) }, { $0.follow = FollowConfiguration(["localhost:80"]) },
            { $0.follow = FollowConfiguration(["http://a/shared/x"]) },
            {
                $0.follow = FollowConfiguration(["http://a"])
                $0.isDynamic = true
            },
        ] as [@Sendable (inout ServerConfiguration) -> Void])
    func configurations(_ configure: @Sendable (inout ServerConfiguration) -> Void) {
        #expect(throws: ServerError.self) { try TestServer { configure(&$0) } }
    }

    // MARK: Servers

    private func checkContract(_ answer: RawResponse, _ method: String, _ status: Int) async throws {
        let contract = try await Contract.load(ContractTests.path)
        let key = Contract.Key("/shared", method, status)
        contract.check(answer, against: try #require(contract.responses[key]), key)
    }

    private func relay(
        of origin: TestServer, _ configure: (inout ServerConfiguration) throws -> Void = { _ in }
    ) async throws -> TestServer { try await TestServer.relay(of: origin.url, configure) }

    private func relay(
        of url: String, _ configure: (inout ServerConfiguration) throws -> Void = { _ in }
    ) async throws -> TestServer { try await TestServer.relay(of: url, configure) }

    /// An origin, and relays of which each follows the one before.
    private final class Chain: Sendable {
        let origin: TestServer
        let relays: [TestServer]

        var end: TestServer { relays[relays.count - 1] }

        init(_ depth: Int) async throws {
            origin = try TestServer()
            var servers = [origin]
            for _ in 0..<depth { servers.append(try await TestServer.relay(of: servers[servers.count - 1].url)) }
            relays = Array(servers.dropFirst())
        }
    }
}

extension TestServer {
    /// A server that follows another one, and has adopted its first text.
    fileprivate static func relay(
        of url: String, _ configure: (inout ServerConfiguration) throws -> Void = { _ in }
    ) async throws -> TestServer {
        let relay = try TestServer {
            $0.follow = FollowConfiguration([url])
            try configure(&$0)
        }
        try await eventually("a ready server") { try relay.request("GET", "/readyz").status == 200 ? () : nil }
        return relay
    }
}
