import Foundation
import LinuxSystem
import Testing

/// A server that answers each request as a test says, whatever it is.
final class ScriptedServer: Sendable {
    let url: String

    /// - Parameter answer: gets the request's first line.
    init(_ answer: @escaping @Sendable (String) -> (status: Int, body: String)) throws {
        let address = try SocketAddress(host: "127.0.0.1", port: 0)
        let socket = try Socket(family: address.family)
        try socket.bind(address)
        try socket.listen()
        url = "http://127.0.0.1:\(try #require(SocketAddress(of: socket.descriptor).numericHostAndPort?.port))"
        let descriptor = dup(socket.descriptor)
        Thread.detachNewThread { [weak self] in
            let listener = Socket(owning: descriptor)
            while self != nil {
                _ = try? Socket.wait(for: .readable, of: listener.descriptor, timeoutMilliseconds: 20)
                for client in Socket.acceptWaiting(at: listener.descriptor) {
                    Thread.detachNewThread { Self.serve(Socket(owning: client), answer) }
                }
            }
        }
    }

    /// Answers until the client ends the connection.
    private static func serve(
        _ client: consuming Socket, _ answer: (String) -> (status: Int, body: String)
    ) {
        var received = ""
        while (try? Socket.wait(for: .readable, of: client.descriptor, timeoutMilliseconds: 60_000)) == true,
            let bytes = try? Socket.receive(from: client.descriptor, limit: 1 << 16), !bytes.isEmpty
        {
            received += String(decoding: bytes, as: UTF8.self)
            guard let end = received.range(of: "\r\n\r\n"),
                let length = received.firstMatch(of: /Content-Length: (\d+)/).flatMap({ Int($0.1) }),
                received[end.upperBound...].utf8.count >= length
            else { continue }
            let (status, body) = answer(String(received.prefix { $0 != "\r\n" }))
            let head = "HTTP/1.1 \(status) Scripted\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
            _ = Socket.send(Array((head + body).utf8).span, to: client.descriptor)
            received = ""
        }
    }
}
