internal import CMicroHTTPD
package import HTTPMessages
import LinuxSystem
import Synchronization

/// A response that any number of connections can be sending at the same time.
///
/// It holds a copy of its body: nothing in a segment is ever held while a client reads.
@safe package final class Response: @unchecked Sendable {
    let pointer: OpaquePointer
    let byteCount: Int

    private init(_ pointer: OpaquePointer?, _ byteCount: Int) {
        guard let pointer = unsafe pointer else { preconditionFailure("no memory left for a response") }
        unsafe self.pointer = pointer
        self.byteCount = byteCount
    }

    deinit { unsafe MHD_destroy_response(pointer) }

    /// A response without a body.
    package convenience init() { unsafe self.init(MHD_create_response_from_buffer(0, nil, .RESPMEM_PERSISTENT), 0) }

    /// A response with a copy of `body`.
    package convenience init(_ body: [UInt8]) {
        let pointer = unsafe body.withUnsafeBytes { bytes in
            unsafe MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
        }
        unsafe self.init(pointer, body.count)
    }

    /// A response that shares a copy of the text with others.
    package convenience init(_ body: TextCopy) {
        let byteCount = unsafe body.bytes.count
        unsafe self.init(
            MHD_create_response_from_buffer_with_free_callback_cls(
                byteCount, body.bytes.baseAddress,
                { body in if let body = unsafe body { unsafe Unmanaged<TextCopy>.fromOpaque(body).release() } },
                Unmanaged.passRetained(body).toOpaque()), byteCount)
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
    private let budget: ByteBudget

    /// - Returns: nil if the budget does not have that much left.
    package init?(_ text: Span<UInt8>, _ budget: ByteBudget) {
        guard budget.take(text.count) else { return nil }
        self.budget = budget
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
        unsafe text.withUnsafeBytes { unsafe copy.copyMemory(from: $0) }
        unsafe bytes = copy
    }

    deinit {
        unsafe budget.giveBack(bytes.count)
        unsafe bytes.deallocate()
    }
}
