internal import CLinux
internal import Glibc

/// A stream socket, closed when its life ends.
package struct Socket: ~Copyable {
    package let descriptor: CInt

    /// Creates a socket that does not block and that started programs do not inherit.
    package init(family: CInt) throws(SystemError) {
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        descriptor = try systemCall("socket") { negatedErrno(socket(family, type, 0)) }
    }

    /// Takes over a descriptor.
    package init(owning descriptor: CInt) { self.descriptor = descriptor }

    /// Keeps the connection of another descriptor open after that is closed.
    package init(duplicating other: CInt) throws(SystemError) {
        descriptor = try systemCall("fcntl") { negatedErrno(fcntl(other, F_DUPFD_CLOEXEC, 0)) }
    }

    deinit { close(descriptor) }

    /// Takes over a stream socket that another process has made to listen; it no longer blocks.
    ///
    /// - Returns: nil, with the descriptor left alone, if it is not such a socket.
    package init?(listening descriptor: CInt) {
        guard Self.value(of: SO_ACCEPTCONN, descriptor) == 1,
            Self.value(of: SO_TYPE, descriptor) == CInt(SOCK_STREAM.rawValue)
        else { return nil }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        self.init(owning: descriptor)
    }

    private static func value(of option: CInt, _ descriptor: CInt) -> CInt? {
        var value: CInt = 0
        var byteCount = socklen_t(MemoryLayout<CInt>.size)
        return unsafe getsockopt(descriptor, SOL_SOCKET, option, &value, &byteCount) == 0 ? value : nil
    }

    /// An option of the socket, by its constants in `<sys/socket.h>` and `<netinet/in.h>`.
    package struct Option: Sendable {
        let name: CInt
        let level: CInt

        package static let reuseAddress = Option(name: SO_REUSEADDR, level: SOL_SOCKET)
        package static let ipv6Only = Option(name: IPV6_V6ONLY, level: CInt(IPPROTO_IPV6))
        /// The most unsent bytes that the kernel takes over.
        package static let unsentByteLimit = Option(name: TCP_NOTSENT_LOWAT, level: CInt(IPPROTO_TCP))
        /// Whether everything but full segments is held back.
        fileprivate static let cork = Option(name: TCP_CORK, level: CInt(IPPROTO_TCP))
        /// Whether short messages are sent at once instead of together with later ones.
        fileprivate static let noDelay = Option(name: TCP_NODELAY, level: CInt(IPPROTO_TCP))
        /// For how many milliseconds what was sent may stay unacknowledged before the connection breaks.
        fileprivate static let userTimeout = Option(name: TCP_USER_TIMEOUT, level: CInt(IPPROTO_TCP))
        fileprivate static let keepAlive = Option(name: SO_KEEPALIVE, level: SOL_SOCKET)
        fileprivate static let keepAliveIdle = Option(name: TCP_KEEPIDLE, level: CInt(IPPROTO_TCP))
        fileprivate static let keepAliveInterval = Option(name: TCP_KEEPINTVL, level: CInt(IPPROTO_TCP))
        fileprivate static let keepAliveCount = Option(name: TCP_KEEPCNT, level: CInt(IPPROTO_TCP))
    }

    package func set(_ option: Option, to value: CInt = 1) throws(SystemError) {
        try systemCall("setsockopt") { Self.set(option, to: value, of: descriptor) }
    }

    private static func set(_ option: Option, to value: CInt, of descriptor: CInt) -> CInt {
        var value = value
        return negatedErrno(
            unsafe setsockopt(descriptor, option.level, option.name, &value, socklen_t(MemoryLayout<CInt>.size)))
    }

    /// Has the kernel probe a silent peer, and break the connection if no probe is acknowledged.
    ///
    /// - Parameter seconds: how long the peer may be silent in all; at least 4 seconds, whatever is asked for.
    package func enableKeepAlive(timeoutSeconds seconds: Int) throws(SystemError) {
        let seconds = CInt(min(seconds, 32_767))
        try set(.keepAlive)
        // Half of the time without a probe, then three probes.
        try set(.keepAliveIdle, to: max(1, seconds / 2))
        try set(.keepAliveInterval, to: max(1, seconds / 6))
        try set(.keepAliveCount, to: 3)
    }

    /// Sets the permissions that the file of a Unix socket is created with.
    package func setMode(_ mode: UInt32) throws(SystemError) {
        try systemCall("fchmod") { negatedErrno(fchmod(descriptor, mode)) }
    }

    package func bind(_ address: SocketAddress) throws(SystemError) {
        try systemCall("bind") { negatedErrno(unsafe address.withPointer { unsafe Glibc.bind(descriptor, $0, $1) }) }
    }

    package func listen() throws(SystemError) {
        try systemCall("listen") { negatedErrno(Glibc.listen(descriptor, SOMAXCONN)) }
    }

    /// Begins to connect; throws `EINPROGRESS` if the connection is not there at once.
    package func connect(_ address: SocketAddress) throws(SystemError) {
        try systemCall("connect") {
            negatedErrno(unsafe address.withPointer { unsafe Glibc.connect(descriptor, $0, $1) })
        }
    }

    /// Throws the error with which the socket's last connecting ended, if any.
    package func checkConnection() throws(SystemError) {
        var code: CInt = 0
        var byteCount = socklen_t(MemoryLayout<CInt>.size)
        try systemCall("getsockopt") {
            negatedErrno(unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &byteCount))
        }
        if code != 0 { throw SystemError(call: "connect", code: code) }
    }
}

// MARK: Any socket, by its descriptor

extension Socket {
    /// Ends the connection of a socket, or refuses new ones if it listens; the descriptor stays open.
    ///
    /// All uses of SHUT_RDWR are in this file: an optimized build with Swift 6.3 does not find it in a second one.
    package static func shutDown(_ descriptor: CInt) { shutdown(descriptor, CInt(SHUT_RDWR)) }

    /// Ends what is sent to the other side, which may go on sending.
    package static func finishSending(_ descriptor: CInt) { shutdown(descriptor, CInt(SHUT_WR)) }

    /// Sends as many bytes as the socket takes at once.
    ///
    /// - Returns: the number of bytes sent; −errno if it failed, −EAGAIN if the client must read first.
    package static func send(_ bytes: RawSpan, to descriptor: CInt) -> Int {
        unsafe bytes.withUnsafeBytes { bytes in
            negatedErrno(
                unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT)))
        }
    }

    /// Sends as many bytes as the socket takes at once, as for a `RawSpan`.
    package static func send(_ bytes: Span<UInt8>, to descriptor: CInt) -> Int {
        send(unsafe bytes.bytes, to: descriptor)
    }

    /// Receives as many bytes as have arrived, at most `limit`; none at the end of the connection.
    package static func receive(from descriptor: CInt, limit: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = try systemCall("recv") {
            negatedErrno(unsafe bytes.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) })
        }
        return Array(bytes.prefix(count))
    }

    /// Accepts the connections that wait to be accepted, and returns their descriptors, which the caller must close.
    package static func acceptWaiting(at descriptor: CInt) -> [CInt] {
        var accepted: [CInt] = []
        while true {
            let connection = clinux_accept(descriptor)
            switch connection {
            case 0...: accepted.append(connection)
            case -EINTR, -ECONNABORTED: continue
            default: return accepted
            }
        }
    }

    /// Whether something has arrived that has not been received; nil at the end of the connection.
    package static func hasUnreadInput(_ descriptor: CInt) -> Bool? {
        var byte: UInt8 = 0
        let count = negatedErrno(unsafe recv(descriptor, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT)))
        return count == -Int(EAGAIN) ? false : count > 0 ? true : nil
    }

    /// Whether the other side has acknowledged everything that was sent, so that there is room for more.
    package static func hasAcknowledgedAll(_ descriptor: CInt) -> Bool {
        var byteCount: CInt = 0
        return unsafe ioctl(descriptor, UInt(TIOCOUTQ), &byteCount) == 0 && byteCount == 0
    }

    /// Has short messages sent at once instead of together with later ones.
    package static func sendAtOnce(_ descriptor: CInt) { _ = set(.noDelay, to: 1, of: descriptor) }

    /// Sends what the socket holds back, and holds nothing back from now on.
    package static func uncork(_ descriptor: CInt) { _ = set(.cork, to: 0, of: descriptor) }

    /// Has the connection break if what is sent stays unacknowledged for so many milliseconds.
    package static func limitSilence(of descriptor: CInt, milliseconds: Int) {
        _ = set(.userTimeout, to: CInt(clamping: milliseconds), of: descriptor)
    }

    /// How many milliseconds ago the peer last acknowledged anything; nil if it has acknowledged everything, and for a
    /// socket other than TCP.
    package static func silenceMilliseconds(of descriptor: CInt) -> Int? {
        var info = tcp_info()
        var byteCount = socklen_t(MemoryLayout<tcp_info>.size)
        guard unsafe getsockopt(descriptor, CInt(IPPROTO_TCP), TCP_INFO, &info, &byteCount) == 0, info.tcpi_unacked > 0
        else { return nil }
        return Int(info.tcpi_last_ack_recv)
    }

    package enum Readiness { case readable, writable }

    package enum WaitEnd { case ready, timedOut, interrupted }

    /// Waits until a socket is ready.
    ///
    /// - Parameter interruption: a descriptor that ends the wait once it is readable; nil for none.
    package static func wait(
        for readiness: Readiness, of descriptor: CInt, orInterruptionBy interruption: CInt?, timeoutMilliseconds: CInt
    ) throws(SystemError) -> WaitEnd {
        let deadline = Clock.coarseMilliseconds + Int(timeoutMilliseconds)
        var polls = [
            pollfd(fd: descriptor, events: CShort(readiness == .readable ? POLLIN : POLLOUT), revents: 0),
            // poll ignores a negative descriptor.
            pollfd(fd: interruption ?? -1, events: CShort(POLLIN), revents: 0),
        ]
        let count = try systemCall("poll") {
            let left = CInt(clamping: max(0, deadline - Clock.coarseMilliseconds))
            return negatedErrno(unsafe poll(&polls, 2, left))
        }
        return polls[1].revents != 0 ? .interrupted : count > 0 ? .ready : .timedOut
    }

    /// Waits until a socket is ready.
    ///
    /// - Returns: false if the time is up first.
    package static func wait(
        for readiness: Readiness, of descriptor: CInt, timeoutMilliseconds: CInt
    ) throws(SystemError) -> Bool {
        try wait(
            for: readiness, of: descriptor, orInterruptionBy: nil, timeoutMilliseconds: timeoutMilliseconds) == .ready
    }
}
