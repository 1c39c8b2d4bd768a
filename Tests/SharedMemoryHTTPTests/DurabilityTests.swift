import Foundation
import SharedMemory
import SharedMemoryHTTP
import SharedMemoryKeep
import Synchronization
import TestSupport
import TestTraits
import Testing

/// What a server with `--keep` answers.
@Suite("Text on disk over HTTP", .fewAtATime)
struct DurabilityTests {
    let disk: TemporaryDirectory

    init() throws { disk = try TemporaryDirectory(under: "/var/tmp") }

    func server(
        versions: Int = 1, sync: Bool = false, intervalMilliseconds: Int = 50,
        _ configure: (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> TestServer {
        try TestServer {
            $0.keepDirectory = disk.path
            $0.keptVersionCount = versions
            $0.keepsBeforeAnswering = sync
            $0.keepIntervalMilliseconds = intervalMilliseconds
            configure(&$0)
        }
    }

    func kept() throws -> [KeptVersion] { try Archive.survey("text", DiskStorage(disk.path)) { _, _ in } }

    /// The number of the newest version, by the names of the files.
    var newestNumber: UInt64 {
        get throws {
            try disk.names.compactMap { name in
                Version(String(name.dropFirst("text@".count).dropLast(".kept".count)))?.number
            }.max() ?? 0
        }
    }

    /// Waits until a version is on disk, and the server knows.
    func eventuallyKept(_ tag: String?, _ server: TestServer) async throws {
        try await eventually("\(tag ?? "") on disk") {
            try kept().contains { "\"\($0.version)\"" == tag } && server.server.keepStatus?.lagSeconds == 0 ? () : nil
        }
    }

    // MARK: Versions

    @Test("Each kept version is at its own URL, and links lead from the current one to the oldest")
    func versions() throws {
        let server = try server(versions: 3, sync: true)
        var tags: [String] = []
        for number in 1...4 { tags.append(try #require(try server.set("text \(number)")["ETag"])) }
        var target = "/shared/text"
        for number in [4, 3, 2] {
            let answer = try server.request("GET", target)
            #expect(answer.status == 200 && answer.text == "text \(number)" && answer["ETag"] == tags[number - 1])
            let head = try server.request("HEAD", target)
            #expect(head["ETag"] == answer["ETag"] && head["Link"] == answer["Link"] && head.body.isEmpty)
            #expect(head["Content-Length"] == "6")
            guard number > 2 else {
                #expect(answer["Link"] == nil)
                break
            }
            let link = try #require(answer["Link"]?.firstMatch(of: #/^<(.+)>; rel="predecessor-version"$/#))
            target = String(link.1)
            #expect(target == "/shared/text?version=\(tags[number - 2].dropFirst().dropLast())")
            // The first segment has two paths.
            let other = try server.request("GET", target.replacingOccurrences(of: "/shared/text", with: "/shared"))
            #expect(other.text == "text \(number - 1)")
        }
    }

    @Test("A version that is not kept is 404; other arguments are ignored, and so is this one for PUT")
    func queries() throws {
        let server = try server(versions: 2, sync: true)
        let tags = try ["one", "two", "three"].map {
            String(try #require(try server.set($0)["ETag"]).dropFirst().dropLast())
        }
        func get(_ query: String) throws -> RawResponse { try server.request("GET", "/shared?\(query)") }
        for query in [
            "version=\(tags[0])", "version=", "version=x", "version=\(tags[1])0", "x=y&version=\(tags[0])",
            "version=0000000000000000-1", "version=\(tags[1].uppercased())x",
        ] {
            let answer = try get(query)
            #expect(answer.status == 404 && answer["Content-Type"] == "application/problem+json", "\(query)")
        }
        for query in [
            "version=\(tags[1])", "x&version=\(tags[1])&y=z", "version=\(tags[1])&version=\(tags[0])",
            "&&version=\(tags[1])&",
        ] {
            #expect(try get(query).text == "two", "\(query)")
        }
        for query in [
            "", "x", "Version=\(tags[0])", "versio=\(tags[0])", "aversion=\(tags[0])", "x=version=\(tags[0])",
            "version", "v",
        ] {
            #expect(try get(query).text == "three", "\(query)")
        }
        #expect(try get("version=\(tags[2])").text == "three")
        // An encoded path is shortened in place; the query stays where it was.
        #expect(try server.request("GET", "/%73hared/%74ext?version=\(tags[1])").text == "two")
        #expect(try server.request("GET", "http://localhost/shared?version=\(tags[1])").text == "two")
        #expect(try server.request("PUT", "/shared?version=\(tags[1])", body: Array("four".utf8)).status == 204)
        #expect(try get("x").text == "four")
    }

    @Test("Without --keep, a query is ignored")
    func withoutKeeping() throws {
        let server = try TestServer()
        #expect(try server.set("now").status == 204)
        let answer = try server.request("GET", "/shared?version=0000000000000000-1")
        #expect(answer.text == "now" && answer["Link"] == nil)
    }

    @Test("Conditions are judged for the version that is asked for")
    func conditions() throws {
        let server = try server(versions: 2, sync: true)
        let old = try #require(try server.set("old")["ETag"])
        let new = try #require(try server.set("new")["ETag"])
        func get(_ field: String) throws -> Int {
            try server.request("GET", "/shared?version=\(old.dropFirst().dropLast())", [field]).status
        }
        #expect(try get("If-None-Match: \(old)") == 304)
        #expect(try get("If-None-Match: \(new)") == 200)
        #expect(try get("If-Match: \(old)") == 200)
        #expect(try get("If-Match: \(new)") == 412)
    }

    @Test("A damaged file of an older version is set aside, and never served")
    func damaged() throws {
        let reports = Reports()
        let server = try server(versions: 2, sync: true) { $0.logger = reports.logger }
        let version = try #require(try server.set("old")["ETag"]).dropFirst().dropLast()
        #expect(try server.set("new").status == 204)
        let path = "\(disk.path)/text@\(version).kept"
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        data[data.count - 1] ^= 1
        try data.write(to: URL(fileURLWithPath: path))
        #expect(try server.request("GET", "/shared?version=\(version)").status == 404)
        #expect(FileManager.default.fileExists(atPath: path + ".damaged"))
        #expect(reports.entries.count { $0.level == .warning } == 1)
    }

    // MARK: Answers that wait for the disk

    @Test("A PUT is answered when its version is on disk, and many share a write")
    func shared() async throws {
        // However long the interval is.
        let server = try server(versions: 20, sync: true, intervalMilliseconds: 1_000_000)
        let (clients, each) = (16, 40)
        let (answered, early) = (Shared(0), Shared<[String]>([]))
        let threads = Threads(clients) { number in
            guard let client = try? server.connect() else { return }
            for _ in 0..<each {
                guard let answer = try? client.request("PUT", "/shared", body: Array("\(number)".utf8)),
                    answer.status == 204
                else { return }
                let version = Version(String((answer["ETag"] ?? "").dropFirst().dropLast()))?.number ?? .max
                let newest = (try? newestNumber) ?? 0
                if newest < version { early.value.withLock { $0.append("\(version) before \(newest)") } }
                answered.value.withLock { $0 += 1 }
            }
        }
        try await threads.end()
        #expect(answered.value.withLock { $0 } == clients * each)
        #expect(early.value.withLock { $0 } == [], "answered before it was kept")
        let writes = try #require(try kept().last).sequence
        #expect(writes < clients * each * 3 / 4, "\(writes) writes for \(clients * each) sets")
    }

    @Test("A PUT with conditions, in chunks or refused is answered as without --keep-sync")
    func otherPuts() throws {
        let server = try server(sync: true)
        let tag = try #require(try server.set("one")["ETag"])
        #expect(try server.set("two", ["If-Match: \(tag)"]).status == 204)
        #expect(try server.set("three", ["If-Match: \(tag)"]).status == 412)
        #expect(try server.set("\0").status == 400)
        let client = try server.connect()
        try client.send("PUT /shared HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfour!\r\n0\r\n\r\n")
        #expect(try client.response(to: "PUT").status == 204)
        #expect(try server.request().text == "four!")
        #expect(try server.request("PUT", "/shared", body: []).status == 204)
        #expect(try server.request().text == "")
    }

    @Test("Requests on one connection are answered in order while they wait for the disk")
    func pipelined() throws {
        let server = try server(versions: 5, sync: true)
        let client = try server.connect()
        for number in 1...20 {
            #expect(try client.request("PUT", "/shared", body: Array("\(number)".utf8)).status == 204)
            #expect(try client.request("GET", "/shared", body: nil).text == "\(number)")
        }
    }

    // MARK: Shutdown and start

    @Test("A server that stops brings the newest version to disk, and the next one serves it after a reboot")
    func stopping() throws {
        var server: TestServer? = try server(intervalMilliseconds: 1_000_000)
        let segment = try #require(try server?.segment())
        for number in 1...50 { try segment.set("local \(number)") }
        #expect(try server?.set("last").status == 204)
        server?.server.stop()
        let version = try segment.version
        #expect(try kept().map(\.version) == [version])
        server = nil
        let next = try self.server()
        let answer = try next.request()
        #expect(answer.text == "last" && answer["ETag"] != "\"\(version)\"")
    }

    @Test("Sets that are under way when the server stops are answered, and only if they are on disk")
    func stoppingUnderLoad() async throws {
        let server = try server(sync: true)
        let newest = Shared<UInt64>(0)
        let clients = Threads(8) { _ in
            guard let client = try? server.connect() else { return }
            while let answer = try? client.request("PUT", "/shared", body: Array("x".utf8)), answer.status == 204 {
                let version = Version(String((answer["ETag"] ?? "").dropFirst().dropLast()))
                newest.value.withLock { $0 = max($0, version?.number ?? 0) }
            }
        }
        try await eventually("some sets") { newest.value.withLock { $0 } >= 50 ? () : nil }
        server.server.stop()
        try await clients.end()
        let acknowledged = newest.value.withLock { $0 }
        #expect(acknowledged >= 50)
        #expect((try kept().last?.version.number ?? 0) >= acknowledged)
    }

    @Test("Two servers cannot keep a segment in one directory")
    func twice() throws {
        let first = try server()
        #expect {
            _ = try server()
        } throws: {
            "\($0)".hasPrefix("Another server keeps the segment 'text' in \(disk.path)")
        }
        first.server.stop()
        _ = try server()
    }
}

/// A value that tasks share.
private final class Shared<Value: Sendable>: Sendable {
    let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
}

/// Clients that wait for their answers, each in a thread of its own.
private final class Threads: Sendable {
    private let left: Mutex<Int>

    init(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        left = Mutex(count)
        for number in 0..<count {
            Thread.detachNewThread {
                body(number)
                self.left.withLock { $0 -= 1 }
            }
        }
    }

    func end() async throws { try await eventually("the end of all clients") { left.withLock { $0 } == 0 ? () : nil } }
}
