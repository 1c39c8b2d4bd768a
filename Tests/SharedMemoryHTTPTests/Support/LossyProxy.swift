import Foundation
import LinuxSystem
import Synchronization
import Testing

/// A proxy in front of a server, which loses what a test wants.
final class LossyProxy: Sendable {
    enum Loss {
        case nothing
        /// Requests that set something arrive, and their answers do not: the connection ends instead.
        case answers
        /// The answer of the next one does not arrive; all else does.
        case nextAnswer
        /// The next request that sets something does not arrive, and its connection ends.
        case nextRequest
        /// Connections end at once, those that are open too.
        case connections
        /// Nothing passes, and no connection ends.
        case everything
        /// Everything passes, 200,000 bytes a second.
        case speed
    }

    private let loss = Mutex(Loss.nothing)
    private let isStopped = Atomic(false)
    private let connections = Atomic(0)
    private let port: UInt16
    private let target: SocketAddress

    var connectionCount: Int { connections.load(ordering: .relaxed) }

    var url: String { "http://127.0.0.1:\(port)" }

    var loses: Loss {
        get { loss.withLock { $0 } }
        set { loss.withLock { $0 = newValue } }
    }

    convenience init(to server: TestServer) throws { try self.init(to: server.url) }

    /// - Parameter url: of HTTP.
    init(to url: String) throws {
        let parts = try #require(URLComponents(string: url))
        target = try SocketAddress(host: parts.host ?? "", port: UInt16(parts.port ?? 0))
        let address = try SocketAddress(host: "127.0.0.1", port: 0)
        let listener = try Socket(family: address.family)
        try listener.bind(address)
        try listener.listen()
        self.port = try #require(SocketAddress(of: listener.descriptor).numericHostAndPort?.port)
        let descriptor = dup(listener.descriptor)
        Thread.detachNewThread { [weak self] in
            let listener = Socket(owning: descriptor)
            while let proxy = self, !proxy.isStopped.load(ordering: .relaxed) {
                _ = try? Socket.wait(for: .readable, of: listener.descriptor, timeoutMilliseconds: 20)
                for client in Socket.acceptWaiting(at: listener.descriptor) {
                    proxy.connections.add(1, ordering: .relaxed)
                    Thread.detachNewThread { proxy.pass(Socket(owning: client)) }
                }
            }
        }
    }

    deinit { isStopped.store(true, ordering: .relaxed) }

    /// Passes on what comes, until either side or the test ends it.
    private func pass(_ client: consuming Socket) {
        if case .connections = loses { return }
        guard let server = try? Socket(family: target.family) else { return }
        try? server.connect(target)
        guard (try? Socket.wait(for: .writable, of: server.descriptor, timeoutMilliseconds: 5000)) == true else {
            return
        }
        var isPut = false
        while !isStopped.load(ordering: .relaxed) {
            switch loses {
            case .connections: return
            case .everything:
                Thread.sleep(forTimeInterval: 0.01)
                continue
            default: break
            }
            guard let fromClient = received(client.descriptor), let fromServer = received(server.descriptor) else {
                return
            }
            if let method = fromClient.firstIndex(of: UInt8(ascii: " ")), method <= 4 {
                // Each request begins a piece of its own.
                let begins = { (line: String) in fromClient.starts(with: Array(line.utf8)) }
                isPut = begins("PUT ")
                // A transaction of etcd that compares something.
                if begins("POST /v3/kv/txn ") {
                    isPut = String(decoding: fromClient, as: UTF8.self).contains("compare")
                }
            }
            if isPut, !fromClient.isEmpty, loss.withLock({ $0.takeNextRequest() }) { return }
            if isPut, !fromServer.isEmpty, loss.withLock({ $0.takeAnswer() }) { return }
            if !send(fromClient, to: server.descriptor) || !send(fromServer, to: client.descriptor) { return }
            if fromClient.isEmpty, fromServer.isEmpty {
                wait(client.descriptor, server.descriptor)
            } else if case .speed = loses {
                Thread.sleep(forTimeInterval: Double(max(fromClient.count, fromServer.count)) / 200_000)
            }
        }
    }

    /// What has arrived; nil at the end.
    private func received(_ descriptor: CInt) -> [UInt8]? {
        do throws(SystemError) {
            let bytes = try Socket.receive(from: descriptor, limit: 8 << 10)
            return bytes.isEmpty ? nil : bytes
        } catch {
            return error.code == EAGAIN ? [] : nil
        }
    }

    private func send(_ bytes: [UInt8], to descriptor: CInt) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Socket.send(rest.span, to: descriptor)
            if count == -Int(EAGAIN) {
                guard (try? Socket.wait(for: .writable, of: descriptor, timeoutMilliseconds: 5000)) == true else {
                    return false
                }
            } else if count < 0 {
                return false
            } else {
                rest = rest.dropFirst(count)
            }
        }
        return true
    }

    private func wait(_ first: CInt, _ second: CInt) {
        _ = try? Socket.wait(for: .readable, of: first, orInterruptionBy: second, timeoutMilliseconds: 10)
    }
}

extension LossyProxy.Loss {
    /// Whether a request is to be lost now; only one is.
    fileprivate mutating func takeNextRequest() -> Bool {
        guard case .nextRequest = self else { return false }
        self = .nothing
        return true
    }

    /// Whether an answer is to be lost now.
    fileprivate mutating func takeAnswer() -> Bool {
        switch self {
        case .answers: return true
        case .nextAnswer:
            self = .nothing
            return true
        default: return false
        }
    }
}
