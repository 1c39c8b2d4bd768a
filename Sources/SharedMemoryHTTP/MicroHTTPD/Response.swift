internal import CMicroHTTPD

/// A response that can be on its way over any number of connections at once; MHD counts its references.
///
/// It holds a copy of its body: nothing of a segment is ever held while a client reads.
@safe struct Response: ~Copyable, @unchecked Sendable {
    fileprivate let pointer: OpaquePointer
    fileprivate let byteCount: Int

    init(_ body: RawSpan) {
        byteCount = body.byteCount
        let pointer = unsafe body.withUnsafeBytes { bytes in
            unsafe MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
        }
        guard let pointer = unsafe pointer else { preconditionFailure("no memory left for a response") }
        unsafe self.pointer = pointer
    }

    init(_ body: CountedCopy) {
        unsafe byteCount = body.bytes.count
        let pointer = unsafe MHD_create_response_from_buffer_with_free_callback_cls(
            byteCount, body.bytes.baseAddress, { unsafe CountedCopy.release($0) },
            Unmanaged.passRetained(body).toOpaque())
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
        // Passed as they are, both would be copied first.
        let result = unsafe name.rawValue.withCString { name in
            unsafe value.withCString { unsafe MHD_add_response_header(pointer, name, $0) }
        }
        precondition(result == .YES, "MHD refuses \(name.rawValue): \(value)")
    }
}

/// A copy of a text that is counted until the last client has read it.
@safe final class CountedCopy: @unchecked Sendable {
    fileprivate let bytes: UnsafeMutableRawBufferPointer
    private let budget: ByteBudget

    /// - Returns: nil when the budget has not so much left.
    init?(_ original: RawSpan, _ budget: ByteBudget) {
        guard budget.take(original.byteCount) else { return nil }
        self.budget = budget
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: original.byteCount, alignment: 1)
        unsafe original.withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
        unsafe self.bytes = bytes
    }

    deinit {
        unsafe budget.giveBack(bytes.count)
        unsafe bytes.deallocate()
    }

    fileprivate static func release(_ copy: UnsafeMutableRawPointer?) {
        if let copy = unsafe copy { unsafe Unmanaged<CountedCopy>.fromOpaque(copy).release() }
    }
}

extension Request {
    /// Queues a response.
    ///
    /// On the first of MHD's calls this also ends the connection; while a body is coming it is refused.
    ///
    /// A response to HEAD, and one with status 204 or 304, is sent without its body.
    func answer(_ status: Status, _ response: borrowing Response) -> Bool {
        unsafe OpenConnection.with(connection) { $0.answer(byteCount: response.byteCount) }
        return unsafe MHD_queue_response(connection, status.rawValue, response.pointer) == .YES
    }
}
