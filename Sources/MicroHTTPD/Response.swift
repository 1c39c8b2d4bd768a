internal import CMicroHTTPD
package import HTTPMessages
import LinuxSystem
import Synchronization

/// A field of a response's head; the value has no line break.
package struct ResponseField: Sendable {
    package let name: HeaderName
    package let value: String

    package init(_ name: HeaderName, _ value: String) { (self.name, self.value) = (name, value) }
}

/// A response that any number of connections can be sending at the same time.
///
/// It holds a copy of its body: nothing in a segment is ever held while a client reads.
@safe package final class Response: @unchecked Sendable {
    let pointer: OpaquePointer
    package var byteCount: Int { unsafe body?.bytes.count ?? 0 }
    private let body: TextCopy?

    private init(_ pointer: OpaquePointer?, _ body: TextCopy?) {
        guard let pointer = unsafe pointer else { preconditionFailure("no memory left for a response") }
        unsafe self.pointer = pointer
        self.body = body
    }

    deinit { unsafe MHD_destroy_response(pointer) }

    /// A response without a body.
    package convenience init() {
        unsafe self.init(MHD_create_response_from_buffer(0, nil, .RESPMEM_PERSISTENT), nil)
    }

    /// A response with a copy of `body`.
    package convenience init(_ body: [UInt8]) { self.init(TextCopy(body.span)) }

    /// A response that shares a copy of the text with others.
    package convenience init(_ body: TextCopy) {
        let byteCount = unsafe body.bytes.count
        unsafe self.init(
            MHD_create_response_from_buffer_with_free_callback_cls(
                byteCount, body.bytes.baseAddress,
                { body in if let body = unsafe body { unsafe Unmanaged<TextCopy>.fromOpaque(body).release() } },
                Unmanaged.passRetained(body).toOpaque()), body)
    }

    /// A response with the same body and the same fields, and more of them.
    func copy(adding fields: [ResponseField]) -> Response {
        let copy = body.map(Response.init) ?? Response()
        withExtendedLifetime(copy) {
            _ = unsafe MHD_get_response_headers(
                pointer,
                { copy, _, name, value in
                    guard let copy = unsafe copy, let name = unsafe name, let value = unsafe value else { return .YES }
                    return unsafe MHD_add_response_header(OpaquePointer(copy), name, value)
                }, UnsafeMutableRawPointer(copy.pointer))
        }
        for field in fields { copy.add(field.name, field.value) }
        return copy
    }

    package convenience init(_ problem: Problem) {
        self.init(Array(problem.json.utf8))
        addDate()
        add(.contentType, "application/problem+json")
        add(.cacheControl, "no-store")
        for header in problem.headers { add(header.name, header.value) }
    }

    /// Adds a header; `value` must not contain a line break.
    package func add(_ name: HeaderName, _ value: String) {
        // Passed as they are, both strings would be copied first.
        unsafe value.withCString { unsafe add(name, $0) }
    }

    package func add(_ name: HeaderName, _ entityTag: EntityTag) {
        entityTag.withQuotedAndZero { quoted in
            unsafe quoted.withUnsafeBytes { quoted in
                if let start = quoted.baseAddress { unsafe add(name, start.assumingMemoryBound(to: CChar.self)) }
            }
        }
    }

    private func add(_ name: HeaderName, _ value: UnsafePointer<CChar>) {
        let result = unsafe name.rawValue.withCString { unsafe MHD_add_response_header(pointer, $0, value) }
        precondition(result == .YES, "libmicrohttpd refuses the header \(name.rawValue)")
    }

    /// Adds the current date to a response that is sent once.
    ///
    /// libmicrohttpd would format one for each response, which takes longer than setting the text.
    package func addDate() { unsafe FormattedDate.withCurrent { unsafe add(.date, $0) } }
}

/// The current second as a header value, formatted once.
private struct FormattedDate {
    private var second: Int64 = -1
    private var text: [CChar] = []

    private static let current = Mutex(FormattedDate())

    static func withCurrent(_ body: (UnsafePointer<CChar>) -> Void) {
        let now = Clock.realtimeSeconds
        current.withLock { date in
            if date.second != now { date = FormattedDate(second: now, text: Array(HTTPDate.format(now).utf8CString)) }
            unsafe date.text.withUnsafeBufferPointer { text in
                if let start = text.baseAddress { unsafe body(start) }
            }
        }
    }
}

/// A copy of the text, counted in a budget until the last client has read it.
@safe package final class TextCopy: @unchecked Sendable {
    fileprivate let bytes: UnsafeMutableRawBufferPointer
    private let budget: ByteBudget?

    /// A copy of what is short, and is not counted.
    fileprivate init(_ text: Span<UInt8>) {
        budget = nil
        unsafe bytes = Self.copy(text)
    }

    private static func copy(_ text: Span<UInt8>) -> UnsafeMutableRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
        unsafe text.withUnsafeBytes { unsafe copy.copyMemory(from: $0) }
        return unsafe copy
    }

    /// - Returns: nil if the budget does not have that much left.
    package init?(_ text: Span<UInt8>, _ budget: ByteBudget) {
        guard budget.take(text.count) else { return nil }
        self.budget = budget
        unsafe bytes = Self.copy(text)
    }

    deinit {
        unsafe budget?.giveBack(bytes.count)
        unsafe bytes.deallocate()
    }
}
