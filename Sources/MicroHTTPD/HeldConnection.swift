internal import CMicroHTTPD
import LinuxSystem

/// A connection that libmicrohttpd leaves alone until it is resumed: it neither reads nor writes, nor sees the client
/// leave.
@safe package struct HeldConnection: @unchecked Sendable {
    private let connection: OpaquePointer
    private let waker: Waker
    package let transport: any Transport
    /// For the head of the response.
    package let responseFields: [ResponseField]

    init(_ connection: OpaquePointer, _ open: OpenConnection) {
        unsafe self.connection = connection
        waker = open.waker
        transport = open.transport
        responseFields = open.responseFields
    }

    /// Gives the connection back to libmicrohttpd, which has the handler finish the request again.
    ///
    /// From then on the connection may be gone.
    package func resume() {
        unsafe MHD_resume_connection(connection)
        waker.event.signal()
    }

    /// Has small pieces sent without waiting for more.
    package func sendWithoutDelay() { Socket.sendAtOnce(transport.descriptor) }
}
