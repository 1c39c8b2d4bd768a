internal import CMicroHTTPD
import LinuxSystem

/// The connections of a loop that wait for their client to go on with the handshake.
///
/// During a handshake, libmicrohttpd does not note that it has read a socket empty: its loop would not rest until the client
/// goes on. So a connection is suspended meanwhile, and its socket is watched here.
///
/// The loop's thread alone uses this.
@safe final class Handshakes: @unchecked Sendable {
    private let epoll: Epoll
    private var waiting: [CInt: OpaquePointer] = unsafe [:]

    init?() {
        guard let epoll = try? Epoll() else { return nil }
        self.epoll = epoll
    }

    /// Readable when there is a connection to resume.
    var descriptor: CInt { epoll.descriptor }

    /// Has libmicrohttpd leave a connection alone until its socket is readable or at its end.
    func suspend(_ connection: OpaquePointer, _ descriptor: CInt) {
        guard unsafe waiting[descriptor] == nil, (try? epoll.add(readable: descriptor)) != nil else { return }
        unsafe waiting[descriptor] = connection
        unsafe MHD_suspend_connection(connection)
    }

    func resumeReady() {
        if unsafe waiting.isEmpty { return }
        for event in epoll.wait(timeoutMilliseconds: 0) { resume(event.descriptor) }
    }

    /// Resumes all connections, without which libmicrohttpd cannot stop.
    func resumeAll() { for descriptor in unsafe Array(waiting.keys) { resume(descriptor) } }

    private func resume(_ descriptor: CInt) {
        guard let connection = unsafe waiting.removeValue(forKey: descriptor) else { return }
        epoll.remove(socket: descriptor)
        unsafe MHD_resume_connection(connection)
    }
}
