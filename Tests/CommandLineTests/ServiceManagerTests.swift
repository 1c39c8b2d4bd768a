import Foundation
import TestSupport
import TestTraits
import Testing

/// `serve` under a service manager: what it tells it, and the sockets that it gets from it.
@Suite("Service manager", .fewAtATime)
struct ServiceManagerTests: CommandTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    // MARK: Notification

    /// The socket that sd_notify(3) writes to.
    private final class NotifySocket {
        private let descriptor: CInt

        /// - Parameter name: a path, or a name outside of the file system after a zero.
        init(_ name: [UInt8]) throws {
            descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var timeout = timeval(tv_sec: 60, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
            let result = withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sa_family_t>.size + name.count))
                }
            }
            try #require(result == 0)
        }

        deinit { close(descriptor) }

        /// Waits for the next message.
        func next() -> String {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            return count < 0 ? "nothing: errno \(errno)" : String(decoding: buffer.prefix(count), as: UTF8.self)
        }
    }

    @Test("serve tells when it is ready, reads its configuration again, and stops", arguments: [false, true])
    func notification(isAbstract: Bool) async throws {
        let path = "\(directory.path)/notify"
        let manager = try NotifySocket(isAbstract ? [0] + Array("\(path)".utf8) : Array(path.utf8) + [0])
        let (server, url) = try await serve(
            ["--listen", "127.0.0.1:0"], environment: ["NOTIFY_SOCKET": isAbstract ? "@\(path)" : path])
        let address = try #require(url.split(separator: "/").dropFirst().first)
        #expect(manager.next() == "READY=1\nSTATUS=Serving shared at \(address)")
        server.send(SIGHUP)
        let reloading = manager.next()
        #expect(reloading.wholeMatch(of: /RELOADING=1\nMONOTONIC_USEC=[0-9]+/) != nil, "\(reloading)")
        #expect(manager.next() == "READY=1")
        _ = try await stop(server)
        #expect(manager.next() == "STOPPING=1")
    }

    @Test("A server that is watched says that it is alive, up to its end")
    func watchdog() async throws {
        let path = "\(directory.path)/notify"
        let manager = try NotifySocket(Array(path.utf8) + [0])
        let (server, url) = try await serve(
            ["--listen", "127.0.0.1:0", "--threads", "3"],
            environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"])
        #expect(manager.next().hasPrefix("READY=1\n"))
        for _ in 0..<5 { #expect(manager.next() == "WATCHDOG=1") }
        #expect(try await status(url) == "200")
        // While a stream without a reader holds up the shutdown, too.
        let client = try RawClient(
            host: "127.0.0.1", port: try #require(URLComponents(string: url)?.port.map { UInt16($0) }))
        let big = Data(repeating: UInt8(ascii: "x"), count: 1 << 20)
        try client.requestEvents()
        #expect(try client.response().status == 200)
        for _ in 0..<8 {
            let set = try await ChildProcess.run(
                ChildProcess.product("sharedmem"), ["set", "--directory", directory.path], input: big)
            #expect(set.status == 0)
        }
        server.send(SIGTERM)
        while case let message = manager.next(), message != "STOPPING=1" { #expect(message == "WATCHDOG=1") }
        #expect(manager.next() == "WATCHDOG=1")
        client.reset()
        #expect(try await server.finish().status == 0)
    }

    // MARK: Sockets

    /// A service manager that has a socket, and starts and stops the server that uses it as it is told.
    private func manager(_ bind: String, _ arguments: [String] = []) throws -> ChildProcess {
        let script = """
            import os, signal, socket, sys
            kind, address = sys.argv[1].split("=", 1)
            if kind == "unix":
                listening = socket.socket(socket.AF_UNIX)
                listening.bind(address)
                listening.listen()
            else:
                listening = socket.create_server((address, 0))
            print("address", listening.getsockname(), flush=True)
            process = 0
            for line in sys.stdin:
                if line == "start\\n":
                    process = os.fork()
                    if process == 0:
                        os.dup2(listening.fileno(), 3)
                        os.set_inheritable(3, True)
                        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="http")
                        os.execv(sys.argv[2], sys.argv[2:])
                    continue
                if line == "stop\\n":
                    os.kill(process, signal.SIGTERM)
                print("ended", os.waitpid(process, 0)[1], flush=True)
            """
        return try ChildProcess(
            "python3",
            ["-c", script, bind, ChildProcess.product("sharedmem"), "serve", "--directory", directory.path] + arguments)
    }

    @Test(
        "On a socket of the service manager, clients are served that came before the server, or between two of them",
        arguments: [false, true])
    func sockets(isUnix: Bool) async throws {
        let path = "\(directory.path)/socket"
        let manager = try manager(isUnix ? "unix=\(path)" : "tcp=127.0.0.1")
        let address = try await manager.line(beginning: "address ")
        let port = UInt16(address.filter { !"()' ".contains($0) }.split(separator: ",").last ?? "")
        func connect() throws -> RawClient {
            try isUnix ? RawClient(socketPath: path) : RawClient(host: "127.0.0.1", port: try #require(port))
        }
        for round in 1...3 {
            let client = try connect()
            try client.sendRequest("PUT", body: Array("\(round)".utf8))
            try manager.write(Data("start\n".utf8))
            #expect(try client.response().status == 204)
            #expect(try connect().request().text == "\(round)")
            try manager.write(Data("stop\n".utf8))
            let stops = { manager.outputSoFar.components(separatedBy: "ended 0\n").count - 1 }
            try await eventually("the end of the server") { stops() == round ? () : nil }
        }
        if isUnix { #expect(FileManager.default.fileExists(atPath: path)) }
        #expect(try await manager.finish().status == 0)
    }

    @Test("A socket that other hosts can reach needs a token here too, and what is not a listening socket is refused")
    func refusedSockets() async throws {
        let open = try manager("tcp=0.0.0.0")
        try open.write(Data("start\nwait\n".utf8))
        let result = try await open.finish()
        #expect(result.errors.contains("can be reached from other hosts"), "\(result.errors)")
        let script = "exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --directory \"$1\""
        let wrong = try await ChildProcess.run(
            "sh", ["-c", script, ChildProcess.product("sharedmem"), directory.path])
        #expect(wrong.status == 64 && wrong.errors.contains("Descriptor 3 is not"), "\(wrong.errors)")
    }

    @Test("Sockets for another process are left alone")
    func otherProcess() async throws {
        let (server, url) = try await serve(
            ["--listen", "127.0.0.1:0"], environment: ["LISTEN_PID": "1", "LISTEN_FDS": "1"])
        #expect(try await status(url) == "200")
        _ = try await stop(server)
    }

    @Test(
        "systemd accepts the units, and finds the service well confined",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze")))
    func units() async throws {
        let packaging = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Packaging/systemd")
        let service = try String(contentsOf: packaging.appending(path: "sharedmem.service.in"), encoding: .utf8)
        let unit = "\(directory.path)/sharedmem.service"
        try service.replacing("@BINDIR@/sharedmem", with: ChildProcess.product("sharedmem"))
            .write(toFile: unit, atomically: true, encoding: .utf8)
        let socket = "\(directory.path)/sharedmem.socket"
        try FileManager.default.copyItem(atPath: packaging.appending(path: "sharedmem.socket").path, toPath: socket)
        let verified = try await ChildProcess.run("systemd-analyze", ["verify", unit, socket])
        #expect(verified.status == 0 && !verified.errors.contains(directory.path), "\(verified.errors)")
        // In tenths of the scale that ends at 10.
        let security = try await ChildProcess.run(
            "systemd-analyze", ["security", "--offline=true", "--threshold=20", "--no-pager", unit])
        #expect(security.status == 0, "\(security.text)")
    }

    static let activator = "/usr/bin/systemd-socket-activate"

    @Test(
        "systemd starts the server with the first request",
        .enabled(if: FileManager.default.isExecutableFile(atPath: activator)))
    func activation() async throws {
        let path = "\(directory.path)/socket"
        let activator = try ChildProcess(
            Self.activator,
            ["--listen", path, ChildProcess.product("sharedmem"), "serve", "--directory", directory.path])
        try await eventually("the socket") { FileManager.default.fileExists(atPath: path) ? () : nil }
        #expect(try await status("http://localhost/livez", "--unix-socket", path) == "200")
        #expect(try await status("http://localhost/shared", "--unix-socket", path) == "200")
        _ = try await stop(activator)
    }
}
