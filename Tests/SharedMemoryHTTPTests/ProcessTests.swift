import Foundation
import SharedMemory
import SharedMemoryHTTP
import TestSupport
import TestTraits
import Testing

/// The server as users start it, beside other processes.
@Suite("Processes", .fewAtATime)
struct ProcessTests {
    let directory: TemporaryDirectory
    let server: ChildProcess
    let url: String

    init() async throws {
        directory = try TemporaryDirectory()
        server = try ChildProcess(
            ChildProcess.product("sharedmem"),
            [
                "serve", "text", "--listen", "127.0.0.1:0", "--directory", directory.path, "--grace", "60",
                "--idle-timeout", "600", "--log-level", "notice",
            ])
        url = try await server.line(beginning: "listening on ")
    }

    var address: ListenAddress? {
        URLComponents(string: url)?.port.flatMap { UInt16(exactly: $0) }.map { .tcp(host: "127.0.0.1", port: $0) }
    }

    func curl(_ arguments: String..., input: Data = Data()) async throws -> ChildProcess.Finished {
        try await ChildProcess.run("curl", ["-sS", "--max-time", "20"] + arguments, input: input)
    }

    func sharedmem(_ arguments: String..., input: Data = Data()) async throws -> ChildProcess.Finished {
        try await ChildProcess.run(
            ChildProcess.product("sharedmem"), arguments + ["--directory", directory.path], input: input)
    }

    static let texts = [
        "Esta es una cadena de prueba", "", "ñ 漢 😀 \u{10FFFF}\n\r\n\t",
        String(repeating: "1 MiB exactly…", count: 65_536),
    ]

    @Test("Other processes read the text that curl sets", arguments: texts)
    func httpToMemory(text: String) async throws {
        let file = "\(directory.path)/file"
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        let set = try await curl("-T", file, "-i", url)
        #expect(set.text.contains("HTTP/1.1 204"))
        #expect(try await curl(url).output == Data(text.utf8))
        #expect(try await sharedmem("get", "text").output == Data(text.utf8))
        let probe = try await ChildProcess.probe(.get, directory).finish()
        #expect(probe.output == Data(text.utf8))
        let version = try Segment.read("text", directory: directory.path).version
        #expect(set.text.contains("ETag: \"\(version)\""))
    }

    @Test("curl reads the text that other processes set, with a new entity tag", arguments: texts)
    func memoryToHTTP(text: String) async throws {
        let before = try await curl("-o", "/dev/null", "-w", "%header{etag}", url).text
        let set = try await sharedmem("set", "text", "--empty", input: Data(text.utf8))
        #expect(set.status == 0)
        #expect(try await curl(url).output == Data(text.utf8))
        let after = try await curl("-o", "/dev/null", "-w", "%{http_code}", "-H", "If-None-Match: \(before)", url)
        #expect(after.text == "200")
        let version = try Segment.read("text", directory: directory.path).version
        let unchanged = try await curl(
            "-o", "/dev/null", "-w", "%{http_code}", "-H", "If-None-Match: \"\(version)\"", url)
        #expect(unchanged.text == "304")
        if text.utf8.count < 1000 {
            let probe = try await ChildProcess.probe(.set("\(text)!"), directory).finish()
            #expect(try await curl("-i", url).text.contains("ETag: \"\(probe.text.dropLast())\""))
            #expect(try await curl(url).text == "\(text)!")
        }
    }

    @Test("A body longer than the capacity is refused before curl sends it")
    func tooLong() async throws {
        let file = "\(directory.path)/file"
        try Data(repeating: 0x61, count: (1 << 20) + 1).write(to: URL(fileURLWithPath: file))
        let result = try await curl("-T", file, "-H", "Expect: 100-continue", "-w", "%{http_code} %{size_upload}", url)
        #expect(result.text.hasSuffix("413 0"))
        #expect(result.text.contains("\"capacity\":1048576"))
        #expect(try await sharedmem("get", "text").output.isEmpty)
    }

    @Test("A request that has arrived when the server is told to stop is answered, and its connection is ended")
    func unreadRequests() async throws {
        let address = try #require(address)
        let clients = try (0..<50).map { _ in try RawClient(address) }
        for client in clients { #expect(try client.request().status == 200) }
        server.send(SIGSTOP)
        try await server.stopped()
        for (number, client) in clients.enumerated() {
            try client.sendRequest("PUT", "/shared", body: Array("\(number)".utf8))
        }
        server.send(SIGTERM)
        server.send(SIGCONT)
        for client in clients {
            let response = try client.response()
            #expect(response.status == 204)
            #expect(client.isEnded())
        }
        #expect(try await server.finish().status == 0)
        #expect(try Segment.read("text", directory: directory.path).version.number == clients.count)
    }

    @Test("SIGTERM and SIGINT let requests under way finish", arguments: [SIGTERM, SIGINT])
    func signals(signal: CInt) async throws {
        let address = try #require(address)
        let slow = try RawClient(address)
        try slow.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nsl")
        try Healthcheck.check("http://\(address)")
        server.send(signal)
        _ = try await eventually("a refused connection") { (try? RawClient(address)) == nil ? true : nil }
        try slow.send("ow")
        #expect(try slow.response().status == 204)
        let end = try await server.finish()
        #expect(end.status == 0 && !end.wasKilled)
        #expect(try Segment.read("text", directory: directory.path).text == "slow")
    }

    @Test("The successor of a killed server serves the same text")
    func killed() async throws {
        let set = try await sharedmem("set", "text", "--text", "stays")
        #expect(set.status == 0)
        server.kill()
        _ = try await server.finish()
        let successor = try TestServer { $0.directory = directory.path }
        #expect(try successor.request().text == "stays")
        #expect(try Segment.info("text", directory: directory.path).attached.count == 1)
    }

    @Test("An idle server sleeps")
    func idle() async throws {
        #expect(try await curl(url).status == 0)
        // curl's connection is closed by now, or soon. The watchdog looks once a second for as long as there is a
        // connection, and once more when there is none.
        _ = try await eventually("more than a second without a wake-up") {
            let before = try switches()
            usleep(1_250_000)
            return try switches() == before ? true : nil
        }
        let before = try switches()
        try await Task.sleep(for: .seconds(1))
        #expect(try switches() == before)
    }

    @Test("A server that logs the changes of local processes sleeps while there are none, and misses none")
    func idleLog() async throws {
        let other = try ChildProcess(
            ChildProcess.product("sharedmem"),
            ["serve", "other", "--listen", "127.0.0.1:0", "--directory", directory.path])
        _ = try await other.line(beginning: "listening on ")
        for text in ["one", "two"] {
            #expect(try await sharedmem("set", "other", "--text", text).status == 0)
            let version = try Segment.read("other", directory: directory.path).version
            let _: Bool = try await eventually("a line about \(version)") {
                other.errorsSoFar.contains("\"\(version)\"") ? true : nil
            }
            let _: Bool = try await eventually("more than a second without a wake-up") {
                let before = try switches(of: other)
                usleep(1_250_000)
                return try switches(of: other) == before ? true : nil
            }
        }
        other.send(SIGTERM)
        #expect(try await other.finish().status == 0)
    }

    @Test("The server does not spin while a client's chunk size line has no end")
    func endlessChunkLine() async throws {
        let client = try RawClient(try #require(address))
        try client.send("PUT /shared HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;")
        try client.send(String(repeating: "evil", count: 1 << 14))
        _ = try await eventually("a second in which the server ran for a quarter at most") {
            let before = try processorTicks()
            usleep(1_000_000)
            return try processorTicks() - before <= sysconf(CInt(_SC_CLK_TCK)) / 4 ? true : nil
        }
        #expect(try await curl(url).status == 0)
        withExtendedLifetime(client) {}
    }

    /// The processor time that the server has used, in clock ticks.
    private func processorTicks() throws -> Int {
        let stat = try String(contentsOfFile: "/proc/\(server.processID)/stat", encoding: .utf8)
        let fields = try #require(stat.split(separator: ")").last).split(separator: " ")
        return try #require(Int(fields[11])) + #require(Int(fields[12]))
    }

    @Test("A server whose subscribers have left sleeps, however often the text is set")
    func idleAfterPolls() async throws {
        let segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        let address = try #require(address)
        for _ in 0..<3 {
            let client = try RawClient(address)
            try client.sendRequest("GET", "/shared", ["If-None-Match: \"\(segment.version)\"", "Prefer: wait=60"])
            try Healthcheck.check("http://\(address)")
            let version = try segment.set("next")
            #expect(try client.response()["ETag"] == "\"\(version)\"")
        }
        _ = try await eventually("a second with nothing but changes") {
            let before = try switches()
            for _ in 0..<50 {
                try segment.set("unobserved")
                usleep(25_000)
            }
            return try switches() == before ? true : nil
        }
    }

    @Test("A server that can start no thread to wait in polls the segment and still sends changes")
    func noAddressSpace() async throws {
        let segment = try Segment.attach("text", AttachmentOptions(directory: directory.path))
        #expect(try await curl(url).status == 0)
        let status = try String(contentsOfFile: "/proc/\(server.processID)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmSize") })
        let byteCount = try #require(Int(line.filter(\.isNumber))) << 10 + 4 << 20
        // A limit that leaves less than a thread's stack.
        let limited = try await ChildProcess.run("prlimit", ["--pid", "\(server.processID)", "--as=\(byteCount)"])
        #expect(limited.status == 0)
        let stream = try EventStream(RawClient(try #require(address)))
        #expect(try stream.next() != nil)
        let before = try processorTime()
        try await Task.sleep(for: .seconds(1))
        #expect(try processorTime() - before < 50)
        try segment.set("next")
        #expect(try stream.next()?.text == "next")
    }

    /// The processor time that the server has used, in hundredths of a second.
    private func processorTime() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/\(server.processID)/stat", encoding: .utf8).split(separator: " ")
        return (Int(fields[13]) ?? 0) + (Int(fields[14]) ?? 0)
    }

    /// How often the server's threads have gone to sleep.
    private func switches(of process: ChildProcess? = nil) throws -> Int {
        let tasks = "/proc/\((process ?? server).processID)/task"
        return try FileManager.default.contentsOfDirectory(atPath: tasks).reduce(0) { sum, task in
            let status = try String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") }
            return sum + (Int(line?.filter(\.isNumber) ?? "") ?? 0)
        }
    }

    @Test("healthcheck reports by its exit status whether the server is healthy")
    func healthcheck() async throws {
        let address = try #require(address)
        let program = ChildProcess.product("sharedmem")
        #expect(try await ChildProcess.run(program, ["healthcheck", "http://\(address)/livez"]).status == 0)
        #expect(try await ChildProcess.run(program, ["healthcheck", "http://\(address)/nothing"]).status == 1)
        server.kill()
        _ = try await server.finish()
        #expect(try await ChildProcess.run(program, ["healthcheck", "http://\(address)/livez"]).status == 1)
    }
}
