internal import Glibc
package import LinuxSystem

/// A client's connection, for code that writes to it without libmicrohttpd: directly to its socket, or through TLS.
package protocol Transport: Sendable {
    /// What ``Epoll`` reports the connection as.
    var descriptor: CInt { get }

    /// Sends as much as can be sent at once.
    ///
    /// - Returns: how many bytes that was; 0 if the client has to read first.
    /// - Throws: if the connection is broken.
    func send(_ bytes: Span<UInt8>) throws(SystemError) -> Int

    /// Has `epoll` report the connection now, each time that more can be sent, and when the client has left.
    func awaitReadiness(in epoll: borrowing Epoll) throws(SystemError)

    func stopAwaitingReadiness(in epoll: borrowing Epoll)

    /// How many milliseconds ago the client's system last acknowledged anything; nil if it has acknowledged everything
    /// that was sent.
    var silenceMilliseconds: Int? { get }

    /// Has the connection break if what is sent stays unacknowledged for so long.
    func limitSilence(milliseconds: Int)

    /// Has the head and the body of the response that libmicrohttpd is about to send leave together, where that saves a call.
    ///
    /// - Parameter byteCount: the length of the body.
    func gather(byteCount: Int)

    /// Sends what was gathered; libmicrohttpd takes the response as sent.
    func sendGathered()

    /// Ends what is sent to the client, which may go on sending.
    func finishSending()

    /// Ends the connection in both directions. libmicrohttpd finds it ended, and closes its descriptor.
    ///
    /// Any thread may call it while the descriptor is open.
    func close()

    /// Whether only the thread that serves the connection may send: that of the loop, or that of the hub while the hub
    /// holds it.
    var isForOneThread: Bool { get }

    /// Notes that libmicrohttpd has closed the connection; nothing can be sent any more.
    func forget()

    /// The names in the client's certificate, for the thread that serves the connection; none without a certificate.
    var clientNames: [String] { get }
}

extension Transport {
    package var isForOneThread: Bool { false }
    package func forget() {}
    package func gather(byteCount: Int) {}
    package func sendGathered() {}
    package var clientNames: [String] { [] }
}

/// A plain socket; it belongs to libmicrohttpd, which closes it.
struct SocketTransport: Transport {
    let descriptor: CInt

    func send(_ bytes: Span<UInt8>) throws(SystemError) -> Int {
        let sent = Socket.send(unsafe bytes.bytes, to: descriptor)
        if sent == -Int(EAGAIN) { return 0 }
        guard sent >= 0 else { throw SystemError(call: "send", code: CInt(-sent)) }
        return sent
    }

    func awaitReadiness(in epoll: borrowing Epoll) throws(SystemError) { try epoll.add(socket: descriptor) }

    func stopAwaitingReadiness(in epoll: borrowing Epoll) { epoll.remove(socket: descriptor) }

    var silenceMilliseconds: Int? { Socket.silenceMilliseconds(of: descriptor) }

    func limitSilence(milliseconds: Int) { Socket.limitSilence(of: descriptor, milliseconds: milliseconds) }

    func finishSending() { Socket.finishSending(descriptor) }

    func close() { Socket.shutDown(descriptor) }
}
