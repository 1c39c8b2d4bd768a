internal import CMicroHTTPD
internal import Glibc

/// A request whose head has come.
///
/// Valid only during the handler's call that it was passed to.
@safe struct Request {
    let connection: OpaquePointer
    let url: UnsafePointer<CChar>
    let methodName: UnsafePointer<CChar>
    let version: UnsafePointer<CChar>

    init(
        connection: OpaquePointer, url: UnsafePointer<CChar>, method: UnsafePointer<CChar>,
        version: UnsafePointer<CChar>
    ) {
        unsafe self.connection = connection
        unsafe self.url = url
        unsafe methodName = method
        unsafe self.version = version
    }

    /// Nil for a method that nobody knows.
    var method: Method? { unsafe Method(bytes(methodName, strlen(methodName)).span) }

    /// HTTP/1.0 has neither Host nor chunked bodies.
    var isHTTP10: Bool { unsafe strcmp(version, "HTTP/1.0") == 0 }

    /// The target without its query, as `unescape` has left it.
    func withTarget<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        unsafe body(bytes(url, strlen(url)).span)
    }

    /// Has the connection end with the answer.
    ///
    /// - Returns: false when that can not be had.
    func endConnection() -> Bool {
        unsafe cmicrohttpd_end(connection) == .YES
    }
}

// MARK: Header fields

/// What MHD calls for each header field.
typealias FieldCallback = MHD_KeyValueIteratorN

/// Looks at header fields, one by one.
protocol FieldVisitor {
    /// - Parameter value: with the blanks after it, as MHD leaves them.
    mutating func visit(name: Span<UInt8>, value: Span<UInt8>)
    /// `{ unsafe visitField(Self.self, $0, $2, $3, $4, $5) }`: a C function can not be generic.
    static var callback: FieldCallback { get }
}

extension Request {
    /// Shows every header field to a visitor, repeated ones too, in the order in which they came.
    func visitFields<Visitor: FieldVisitor>(_ visitor: inout Visitor) {
        unsafe withUnsafeMutablePointer(to: &visitor) { visitor in
            _ = unsafe MHD_get_connection_values_n(connection, .HEADER_KIND, Visitor.callback, visitor)
        }
    }
}

/// Shows a visitor one field.
func visitField<Visitor: FieldVisitor>(
    _: Visitor.Type, _ visitor: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?, _ nameByteCount: Int,
    _ value: UnsafePointer<CChar>?, _ valueByteCount: Int
) -> MHD_Result {
    guard let visitor = unsafe visitor, let name = unsafe name, let value = unsafe value else { return .YES }
    unsafe visitor.assumingMemoryBound(to: Visitor.self).pointee.visit(
        name: bytes(name, nameByteCount).span, value: bytes(value, valueByteCount).span)
    return .YES
}

private func bytes(_ start: UnsafePointer<CChar>, _ count: Int) -> UnsafeBufferPointer<UInt8> {
    unsafe UnsafeRawBufferPointer(start: start, count: count).assumingMemoryBound(to: UInt8.self)
}
