import Foundation
import HTTPClient
import SharedMemory
import SharedMemoryHTTP
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import Etcd

/// Servers whose text is in etcd, each with a directory of its own, as on as many hosts.
@Suite("Text in etcd", .fewAtATime, .enabled(if: TestEtcd.programs != nil, "needs etcd: Scripts/bootstrap test"))
struct EtcdTests {
    // MARK: Reading and setting

    @Test("What is set at one server is in the memory of every host, under the same version")
    func everywhere() async throws {
        let etcd = try await TestEtcd()
        let servers = [try await server(etcd), try await server(etcd), try await server(etcd)]
        for (index, text) in ["first", "", "a\r\nb\r", "ünï 🙂", String(repeating: "x", count: 1_000_000)].enumerated() {
            let answer = try servers[index % 3].set(text)
            #expect(answer.status == 204)
            #expect(try servers[index % 3].segment().get() == text)
            for server in servers {
                try await eventually("the text") { try server.request()["ETag"] == answer["ETag"] ? () : nil }
                #expect(try server.request().text == text && server.segment().get() == text)
            }
        }
        #expect(try await etcd.control("get", "--print-value-only", "/sharedmem/text/text").utf8.count == 1_000_001)
    }

    @Test("The conditions of a PUT hold for the text of the fleet")
    func conditions() async throws {
        let etcd = try await TestEtcd()
        let servers = [try await server(etcd), try await server(etcd)]
        let first = try #require(try servers[0].set("one")["ETag"])
        let second = try #require(try servers[1].set("two", ["If-Match: \(first)"])["ETag"])
        for fields in [
            ["If-Match: \(first)"], ["If-Match: \"nonsense\""], ["If-Match: \"0123456789abcdef-18446744073709551615\""],
            ["If-None-Match: *"], ["If-None-Match: \(second)"],
            // The revision is right, and the write is another one.
            ["If-Match: \"0123456789abcdef-\(second.dropLast().split(separator: "-")[1])\""],
        ] {
            try await eventually("the second text") { try servers[0].request()["ETag"] == second ? () : nil }
            let answer = try servers[0].set("three", fields)
            #expect(answer.status == 412 && answer["ETag"] == second, "\(fields)")
        }
        for fields in [["If-Match: \(first), \(second)"], ["If-Match: *"], ["If-None-Match: \(first)"]] {
            #expect(try servers[0].set("\(fields)", fields).status == 204, "\(fields)")
        }
    }

    @Test("Of many PUTs at several servers, each is applied once, and a counter counts them all")
    func contention() async throws {
        let etcd = try await TestEtcd()
        let servers = [try await server(etcd), try await server(etcd)]
        _ = try servers[0].set("0")
        let count = 30
        let plain = try await TestServer.setOften(servers, count: count)
        #expect(Set(plain).count == 4 * count)
        _ = try servers[0].set("0")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for server in servers + servers {
                group.addTask {
                    for _ in 0..<count {
                        while true {
                            let current = try server.request("GET", "/shared", ["Prefer: consistent"])
                            let next = "\((Int(current.text) ?? 0) + 1)"
                            if try server.set(next, ["If-Match: \(current["ETag"] ?? "")"]).status == 204 { break }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try servers[1].request("GET", "/shared", ["Prefer: consistent"]).text == "\(4 * count)")
    }

    @Test("A server that follows such a server has the same versions, and passes its PUTs on")
    func relay() async throws {
        let etcd = try await TestEtcd()
        let server = try await server(etcd)
        let proxy = try LossyProxy(to: server)
        let relay = try TestServer { $0.follow = FollowConfiguration([proxy.url]) }
        for number in 0..<9 {
            let answer = try (number % 2 == 0 ? relay : server).set("\(number)")
            #expect(answer.status == 204)
            for place in [relay, server] {
                try await eventually("the text") { try place.request()["ETag"] == answer["ETag"] ? () : nil }
                #expect(try place.segment().get() == "\(number)")
            }
        }
        let old = try #require(try relay.request()["ETag"])
        _ = try server.set("newer")
        let answer = try relay.set("refused", ["If-Match: \(old)"])
        #expect(answer.status == 412)
        // A later version is adopted from the event stream, and is no other history.
        for place in [relay, server] {
            #expect(
                try place.request("GET", "/metrics").text.contains(
                    "sharedmem_replica_histories_total{segment=\"text\"} 0\n"))
            #expect(try place.request()["Sharedmem-Version-Order"] == "revision")
        }
        #expect(proxy.connectionCount <= 4)
    }

    // MARK: Lost answers

    @Test("A PUT whose answer is lost is repeated, and applied once")
    func lostAnswer() async throws {
        let etcd = try await TestEtcd()
        let proxy = try LossyProxy(to: etcd.url)
        let server = try await server(etcd, at: [proxy.url])
        _ = try server.set("old")
        let before = try revision(server)
        proxy.loses = .nextAnswer
        #expect(try server.set("new").status == 204)
        #expect(try revision(server) == before + 1 && server.request().text == "new")
        proxy.loses = .nextRequest
        #expect(try server.set("newer").status == 204)
        #expect(try revision(server) == before + 2)
    }

    @Test("A PUT whose answers are all lost has an unknown outcome, and repeating it with its key tells")
    func unknownOutcome() async throws {
        let etcd = try await TestEtcd()
        let (proxy, other) = (try LossyProxy(to: etcd.url), try await server(etcd))
        let server = try await server(etcd, at: [proxy.url])
        let old = try #require(try server.set("old")["ETag"])
        proxy.loses = .answers
        let answer = try server.set("new")
        #expect(answer.status == 504)
        try await checkContract(answer, "PUT", 504)
        let members = try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
        let key = try #require(members["key"] as? String)
        #expect("\"\(members["base"] ?? "")\"" == old)
        proxy.loses = .nothing
        // At any server.
        let fields = ["Idempotency-Key: \(key)", "If-Match: \(old)"]
        let set = try other.set("new", fields)
        #expect(set.status == 204)
        #expect(try other.set("newest").status == 204)
        // It was applied, and has been replaced since: it is not applied again.
        let again = try server.set("new", fields)
        #expect(again.status == 204 && again["ETag"] == set["ETag"])
        #expect(try server.request("GET", "/shared", ["Prefer: consistent"]).text == "newest")
        // Another one with the same base was not.
        let refused = try server.set("x", ["Idempotency-Key: 00000000000000ab", "If-Match: \(old)"])
        #expect(refused.status == 412 && refused["Idempotency-Key"] == "00000000000000ab")
        for fields in [["Idempotency-Key: \(key)"], ["Idempotency-Key: x", "If-Match: \(old)"]] {
            #expect(try server.set("x", fields).status == 400)
        }
    }

    @Test("If what would tell is compacted, the outcome stays unknown")
    func compactedBase() async throws {
        let etcd = try await TestEtcd()
        let server = try await server(etcd)
        let old = try #require(try server.set("old")["ETag"])
        for number in 0..<3 { _ = try server.set("\(number)") }
        try await etcd.control("compact", "\(try revision(server))")
        let answer = try server.set("x", ["Idempotency-Key: 00000000000000ab", "If-Match: \(old)"])
        #expect(answer.status == 504)
    }

    // MARK: Values

    @Test(
        "What was put into etcd by hand and cannot be the text is not shown, and reported; the next PUT replaces it",
        arguments: ["U+0000", "not UTF-8", "too long"])
    func badValues(_ kind: String) async throws {
        let etcd = try await TestEtcd()
        let reports = Reports()
        let server = try await server(etcd) {
            $0.logger = reports.logger
            $0.capacity = 100
        }
        _ = try server.set("good")
        switch kind {
        case "too long": try await etcd.control("put", "/sharedmem/text/text", String(repeating: "x", count: 101))
        case "not UTF-8": try await etcd.put("/sharedmem/text/text", [0xFF])
        default: try await etcd.put("/sharedmem/text/text", [0x61, 0])
        }
        try await eventually("the server unready") { try server.request("GET", "/readyz").status == 503 ? () : nil }
        #expect(try server.request().text == "good" && server.segment().get() == "good")
        #expect(reports.entries.contains { $0.level == .error && $0.message.contains("not shown") })
        #expect(
            try server.request("GET", "/metrics").text.contains(
                "sharedmem_replica_refused_versions_total{segment=\"text\"} 1"))
        #expect(try server.set("better").status == 204)
        #expect(try server.segment().get() == "better" && server.request("GET", "/readyz").status == 200)
    }

    @Test("Text that was put by hand is adopted, with a version of its own, and can be replaced on condition")
    func byHand() async throws {
        let etcd = try await TestEtcd()
        let server = try await server(etcd)
        let old = try #require(try server.set("old")["ETag"])
        try await etcd.control("put", "/sharedmem/text/text", "by hand")
        try await eventually("the text") { try server.segment().get() == "by hand" ? () : nil }
        let tag = try #require(try server.request()["ETag"])
        #expect(tag.hasPrefix("\"0000000000000000-"))
        #expect(try server.set("x", ["If-Match: \(old)"]).status == 412)
        #expect(try server.set("y", ["If-Match: \(tag)"]).status == 204)
        // The write id alone makes another version of the same text.
        try await etcd.control("put", "/sharedmem/text/write", "nonsense")
        try await eventually("another version") {
            try server.request()["ETag"]?.hasPrefix("\"0000000000000000-") == true ? () : nil
        }
        #expect(try server.request().text == "y" && server.set("z").status == 204)
    }

    @Test("If somebody deletes the keys, the last text stays, and the next PUT creates them again")
    func deleted() async throws {
        let etcd = try await TestEtcd()
        let server = try await server(etcd)
        _ = try server.set("kept")
        try await etcd.control("del", "--prefix", "/sharedmem/")
        try await eventually("the server unready") { try server.request("GET", "/readyz").status == 503 ? () : nil }
        #expect(try server.request().text == "kept" && server.segment().get() == "kept")
        #expect(try server.set("next").status == 204)
        #expect(try server.segment().get() == "next" && server.request("GET", "/readyz").status == 200)
    }

    @Test("Text that is longer than etcd accepts is 413, and nothing is set")
    func tooLongForEtcd() async throws {
        let etcd = try await TestEtcd(["--max-request-bytes", "10000"])
        let server = try await server(etcd)
        _ = try server.set("short")
        for count in [10_001, 600_000] {
            let answer = try server.set(String(repeating: "x", count: count))
            #expect(answer.status == 413, "\(count)")
            try await checkContract(answer, "PUT", 413)
        }
        #expect(try server.request("GET", "/shared", ["Prefer: consistent"]).text == "short")
    }

    @Test("When etcd has no space left, a PUT is 507, and reading goes on")
    func noSpace() async throws {
        let etcd = try await TestEtcd(["--quota-backend-bytes", "200000"])
        let server = try await server(etcd)
        var last = (text: "", answer: try server.set("first"))
        for number in 0..<200 where last.answer.status == 204 {
            let text = "\(number) " + String(repeating: "x", count: 50_000)
            let answer = try server.set(text)
            last = (answer.status == 204 ? text : last.text, answer)
        }
        #expect(last.answer.status == 507)
        try await checkContract(last.answer, "PUT", 507)
        #expect(try server.request("GET", "/shared", ["Prefer: consistent"]).text == last.text)
    }

    // MARK: Failures

    @Test("While etcd is gone, the text stays, the server becomes unready, and PUTs are refused; then all goes on")
    func gone() async throws {
        let etcd = try await TestEtcd()
        let server = try await server(etcd) { $0.maximumStalenessSeconds = 3 }
        _ = try server.set("kept")
        try await etcd.stop()
        // The end of the connection may come after the PUT.
        #expect([503, 504].contains(try server.set("new").status))
        let answer = try server.set("newer")
        #expect(answer.status == 503)
        try await checkContract(answer, "PUT", 503)
        #expect(try server.request("GET", "/shared", ["Prefer: consistent"]).status == 503)
        try await eventually("the server unready") { try server.request("GET", "/readyz").status == 503 ? () : nil }
        #expect(try server.request().text == "kept" && server.segment().get() == "kept")
        try await etcd.start()
        try await eventually("the server ready") { try server.request("GET", "/readyz").status == 200 ? () : nil }
        #expect(try server.set("next").status == 204)
    }

    @Test("A member that falls silent is left for the next one, without the connection having ended")
    func silence() async throws {
        let etcd = try await TestEtcd()
        let (first, second) = (try LossyProxy(to: etcd.url), try LossyProxy(to: etcd.url))
        let server = try await server(etcd, at: [first.url, second.url])
        let other = try await self.server(etcd)
        _ = try other.set("one")
        try await eventually("the text") { try server.request().text == "one" ? () : nil }
        first.loses = .everything
        let tag = try other.set("two")["ETag"]
        try await eventually("the text through the other member") { try server.request()["ETag"] == tag ? () : nil }
        #expect(try server.set("three").status == 204)
    }

    @Test("After a restore, every host ends on the restored text, once, and no version of before counts")
    func restore() async throws {
        let etcd = try await TestEtcd()
        let reports = Reports()
        let servers = [try await server(etcd) { $0.logger = reports.logger }, try await server(etcd)]
        _ = try servers[0].set("restored")
        let snapshot = try await etcd.saveSnapshot()
        var tags: [String] = []
        for number in 0..<3 { tags.append(try #require(try servers[0].set("lost \(number)")["ETag"])) }
        try await etcd.restore(snapshot)
        for server in servers {
            try await eventually("the restored text") {
                try server.segment().get() == "restored" && server.request().text == "restored" ? () : nil
            }
        }
        for tag in tags {
            let answer = try servers[1].set("x", ["If-Match: \(tag)"])
            #expect([412, 504].contains(answer.status))
        }
        #expect(try servers[1].set("next").status == 204)
        try await eventually("the next text") { try servers[0].segment().get() == "next" ? () : nil }
        #expect(reports.entries.filter { $0.message.contains("another history") }.count == 1)
    }

    @Test("An empty etcd in place of the old one takes no text away")
    func empty() async throws {
        let etcd = try await TestEtcd()
        let server = try await server(etcd)
        _ = try server.set("kept")
        try await etcd.replaceWithAnEmptyOne()
        try await eventually("the server unready") { try server.request("GET", "/readyz").status == 503 ? () : nil }
        #expect(try server.segment().get() == "kept")
        #expect(try server.set("next").status == 204)
        #expect(try server.segment().get() == "next")
    }

    @Test("One member of another cluster in the list changes nothing")
    func twoClusters() async throws {
        let (etcd, wrong) = (try await TestEtcd(), try await TestEtcd())
        for number in 0..<9 { try await wrong.control("put", "/sharedmem/text/text", "wrong \(number)") }
        let proxy = try LossyProxy(to: etcd.url)
        let server = try await server(etcd, at: [proxy.url, wrong.url])
        _ = try server.set("right")
        for _ in 0..<3 {
            // The server turns to the other member, and back.
            proxy.loses = .connections
            try await eventually("the end of the connection") {
                try server.request("GET", "/metrics").text.contains("sharedmem_replica_connected{segment=\"text\"} 0.0")
                    ? () : nil
            }
            proxy.loses = .nothing
            try await eventually("the text confirmed") {
                try server.request("GET", "/shared", ["Prefer: consistent"]).status == 200 ? () : nil
            }
            #expect(try server.segment().get() == "right")
        }
    }

    @Test("Users of etcd log in, and log in again when their token is no longer known")
    func users() async throws {
        let etcd = try await TestEtcd(["--auth-token-ttl", "1"])
        try await etcd.control("user", "add", "root:secret")
        try await etcd.control("user", "add", "writer:pass:word")
        try await etcd.control("role", "add", "texts")
        try await etcd.control("role", "grant-permission", "texts", "readwrite", "--prefix=true", "/sharedmem/")
        try await etcd.control("user", "grant-role", "writer", "texts")
        try await etcd.control("user", "grant-role", "root", "root")
        try await etcd.control("auth", "enable")
        let server = try await server(etcd) { $0.etcd?.user = ("writer", "pass:word") }
        _ = try server.set("one")
        // etcd forgets all tokens when it starts again.
        try await etcd.stop()
        try await etcd.start()
        try await eventually("the server connected") { try server.set("two").status == 204 ? () : nil }
        try await etcd.control(
            "--user", "root:secret", "role", "revoke-permission", "texts", "/sharedmem/", "/sharedmem0")
        let answer = try server.set("three")
        #expect(answer.status == 502 && answer.text.contains("permission denied"), "\(answer.text)")
        try await checkContract(answer, "PUT", 502)
        let refused = try TestServer {
            $0.etcd = EtcdConfiguration([etcd.url])
            $0.etcd?.user = ("writer", "wrong")
        }
        let wrong = try refused.set("x")
        #expect(wrong.status == 502 && wrong.text.contains("authentication failed"), "\(wrong.text)")
    }

    @Test("etcd is trusted by its certificate, and users log in through TLS")
    func encrypted() async throws {
        let certificates = try await TestCertificates.shared()
        let etcd = try await TestEtcd([], certificates)
        try await etcd.control("user", "add", "root:secret")
        try await etcd.control("user", "grant-role", "root", "root")
        try await etcd.control("auth", "enable")
        let server = try await server(etcd) {
            $0.etcd?.authorities = certificates.certificate("ca")
            $0.etcd?.user = ("root", "secret")
        }
        #expect(try server.set("through TLS").status == 204)
        #expect(try server.segment().get() == "through TLS")
        let untrusting = try TestServer { $0.etcd = EtcdConfiguration([etcd.url]) }
        #expect(try untrusting.set("x").status == 503)
    }

    @Test(
        "If etcd has users, a client's certificate must have no common name; the answer says so if it has one"
    )
    func encryptedBothWays() async throws {
        let certificates = try await TestCertificates.shared()
        let etcd = try await TestEtcd([], certificates, asksForCertificates: true)
        try await etcd.control("user", "add", "root:secret")
        try await etcd.control("user", "grant-role", "root", "root")
        try await etcd.control("auth", "enable")
        func configure(_ configuration: inout ServerConfiguration, as client: String) {
            configuration.etcd?.authorities = certificates.certificate("ca")
            configuration.etcd?.certificate = certificates.certificate(client)
            configuration.etcd?.key = certificates.key(client)
            configuration.etcd?.user = ("root", "secret")
        }
        let server = try await server(etcd) { configure(&$0, as: "nameless") }
        #expect(try server.set("with both").status == 204)
        #expect(try server.segment().get() == "with both")
        let named = try TestServer {
            $0.etcd = EtcdConfiguration([etcd.url])
            configure(&$0, as: "writer")
        }
        let answer = try named.set("x")
        #expect(answer.status == 502 && answer.text.contains("CommonName"), "\(answer.status) \(answer.text)")
    }

    @Test("A member that cannot log anyone in keeps no other one from it; a wrong password is not sent again at once")
    func logins() async throws {
        let state = #"{"header":{"cluster_id":"1","revision":"5"}}"#
        let isKnown = Flag()
        let withoutLeader = try ScriptedServer { line in
            line.contains("authenticate") ? (503, #"{"error":"etcdserver: no leader","code":14}"#) : (401, "{}")
        }
        let right = try ScriptedServer { line in
            if line.contains("authenticate") { isKnown.raise() }
            return line.contains("authenticate")
                ? (200, #"{"token":"t"}"#) : isKnown.isRaised ? (200, state) : (401, "{}")
        }
        let logins = Atomic(0)
        let refusing = try ScriptedServer { line in
            if line.contains("authenticate") { logins.add(1, ordering: .relaxed) }
            return (400, #"{"error":"etcdserver: user name is empty, or authentication failed","code":3}"#)
        }
        let user = EtcdUser(name: "a", password: "b")
        let members = try [withoutLeader, right, refusing].map { try #require(ServerURL($0.url)) }
        let cluster = EtcdCluster(members, ClientIdentity(), user)
        let keys = EtcdKeys(prefix: "/p", name: "n")
        func read(_ cluster: EtcdCluster, at member: Int) throws -> EtcdState {
            try cluster.connect(to: members[member], ClientLimits(timeoutMilliseconds: 60_000)).read(keys)
        }
        #expect(throws: EtcdFault.self) { try read(cluster, at: 0) }
        #expect(try read(cluster, at: 1).current == .none)
        let other = EtcdCluster(members, ClientIdentity(), user)
        for _ in 0..<3 { #expect(throws: EtcdFault.self) { try read(other, at: 2) } }
        #expect(logins.load(ordering: .relaxed) == 1)
    }

    // MARK: Requests and configurations

    @Test(
        "A transaction compares what the base has, and puts both keys",
        arguments: [
            (
                Version(instance: 0, number: 0),
                #"{"key":"L3NoYXJlZG1lbS9mbGFncy90ZXh0","target":"CREATE","create_revision":"0"}"#
            ),
            (
                Version(instance: 0, number: 57),
                #"{"key":"L3NoYXJlZG1lbS9mbGFncy90ZXh0","target":"MOD","mod_revision":"57"}"#
            ),
            (
                Version(instance: 0xAB, number: 57),
                #"{"key":"L3NoYXJlZG1lbS9mbGFncy90ZXh0","target":"MOD","mod_revision":"57"},"#
                    + #"{"key":"L3NoYXJlZG1lbS9mbGFncy93cml0ZQ==","target":"VALUE","value":"MDAwMDAwMDAwMDAwMDBhYg=="}"#
            ),
        ])
    func transaction(base: Version, comparison: String) {
        let keys = EtcdKeys(prefix: "/sharedmem", name: "flags")
        #expect(
            EtcdConnection.transaction(keys, Array("hi".utf8), id: 0x1234_5678_9ABC_DEF0, replacing: base)
                == #"{"compare":[\#(comparison)],"success":["#
                + #"{"request_put":{"key":"L3NoYXJlZG1lbS9mbGFncy90ZXh0","value":"aGk="}},"#
                + #"{"request_put":{"key":"L3NoYXJlZG1lbS9mbGFncy93cml0ZQ==","value":"MTIzNDU2Nzg5YWJjZGVmMA=="}}],"#
                + #""failure":[{"request_range":{"key":"L3NoYXJlZG1lbS9mbGFncy8=","range_end":"L3NoYXJlZG1lbS9mbGFnczA="}}]}"#
        )
    }

    @Test(
        "What does not go together is refused",
        arguments: [
            { $0.etcd = EtcdConfiguration([]) }, { $0.etcd = EtcdConfiguration(["localhost:2379"]) },
            { $0.etcd = EtcdConfiguration(["http://a/v3"]) }, { $0.etcd = EtcdConfiguration(["unix:/tmp/x"]) },
            {
                $0.etcd = EtcdConfiguration(["http://a"])
                $0.etcd?.prefix = "/x/"
            },
            {
                $0.etcd = EtcdConfiguration(["http://a"])
                $0.follow = FollowConfiguration(["http://a"])
            },
            {
                $0.etcd = EtcdConfiguration(["http://a"])
                $0.isDynamic = true
            },
        ] as [@Sendable (inout ServerConfiguration) -> Void])
    func configurations(_ configure: @Sendable (inout ServerConfiguration) -> Void) {
        #expect(throws: ServerError.self) { try TestServer { configure(&$0) } }
    }

    // MARK: Servers

    private func server(
        _ etcd: TestEtcd, at urls: [String]? = nil, _ configure: (inout ServerConfiguration) throws -> Void = { _ in }
    ) async throws -> TestServer {
        let server = try TestServer {
            $0.etcd = EtcdConfiguration(urls ?? [etcd.url])
            try configure(&$0)
        }
        try await eventually("a ready server") { try server.request("GET", "/readyz").status == 200 ? () : nil }
        return server
    }

    private func revision(_ server: TestServer) throws -> Int {
        let tag = try #require(try server.request()["ETag"])
        return try #require(Int(tag.dropLast().split(separator: "-")[1]))
    }

    private func checkContract(_ answer: RawResponse, _ method: String, _ status: Int) async throws {
        let contract = try await Contract.load(ContractTests.path)
        let key = Contract.Key("/shared", method, status)
        contract.check(answer, against: try #require(contract.responses[key]), key)
    }
}
