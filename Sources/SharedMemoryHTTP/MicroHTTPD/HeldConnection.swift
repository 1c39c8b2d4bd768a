internal import CMicroHTTPD
import LinuxSystem

/// A connection that MHD leaves alone until it is let go: it neither reads nor writes, nor sees the client leave.
@safe struct HeldConnection: @unchecked Sendable {
    private let connection: OpaquePointer
    private let waker: Waker?
    let descriptor: CInt

    fileprivate init(_ connection: OpaquePointer) {
        unsafe self.connection = connection
        waker = unsafe OpenConnection.with(connection) { $0.waker }
        descriptor = unsafe cmicrohttpd_socket(connection)
    }

    /// Gives it back to MHD, which has the request finished again; from then on it may be gone.
    func letGo() {
        unsafe MHD_resume_connection(connection)
        waker?.bell.signal()
    }

    /// As ``Socket/send(_:to:)``.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int { Socket.send(unsafe bytes.bytes, to: descriptor) }

    /// Has small pieces sent without waiting for more.
    func sendAtOnce() { Socket.sendAtOnce(descriptor) }
}

extension Request {
    /// Has MHD leave the connection alone; only in the handler's `finish`, instead of an answer.
    func hold() -> HeldConnection {
        unsafe OpenConnection.with(connection) { $0.isHeld() }
        unsafe MHD_suspend_connection(connection)
        return unsafe HeldConnection(connection)
    }
}
