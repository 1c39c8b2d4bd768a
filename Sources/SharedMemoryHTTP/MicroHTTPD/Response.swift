internal import CMicroHTTPD

/// A response that can be on its way over any number of connections at once; MHD counts its references.
///
/// It holds a copy of its body: nothing of a segment is ever held while a client reads.
@safe struct Response: ~Copyable, @unchecked Sendable {
    fileprivate let pointer: OpaquePointer

    init(_ body: RawSpan) {
        let pointer = unsafe body.withUnsafeBytes { bytes in
            unsafe MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
        }
        guard let pointer = unsafe pointer else { preconditionFailure("no memory left for a response") }
        unsafe self.pointer = pointer
    }

    init(_ body: [UInt8] = []) { unsafe self.init(body.span.bytes) }

    init(_ body: String) { unsafe self.init(body.utf8Span.span.bytes) }

    deinit { unsafe MHD_destroy_response(pointer) }

    /// Adds a header field.
    ///
    /// `value` must have no line breaks.
    func add(_ name: Field, _ value: String) {
        let result = unsafe MHD_add_response_header(pointer, name.rawValue, value)
        precondition(result == .YES, "MHD refuses \(name.rawValue): \(value)")
    }
}

extension Request {
    /// Queues a response.
    ///
    /// On the first of MHD's calls this also ends the connection; while a body is coming it is refused.
    ///
    /// A response to HEAD, and one with status 204 or 304, is sent without its body.
    func answer(_ status: Status, _ response: borrowing Response) -> Bool {
        unsafe MHD_queue_response(connection, status.rawValue, response.pointer) == .YES
    }
}
