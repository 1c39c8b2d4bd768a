internal import CMicroHTTPD
internal import Glibc
package import HTTPMessages

/// A request whose head has arrived; valid only during the handler's call that it is passed to.
@safe package struct Request {
    let connection: OpaquePointer
    let url: UnsafePointer<CChar>
    let methodName: UnsafePointer<CChar>
    let version: UnsafePointer<CChar>

    /// Nil for an unknown method.
    package var method: Method? { unsafe Method(bytes(methodName, strlen(methodName)).span) }

    /// HTTP/1.0 has neither `Host` nor chunked bodies.
    package var isHTTP10: Bool { unsafe strcmp(version, "HTTP/1.0") == 0 }

    /// Shows the target without its query, decoded by ``RequestTarget/decode(_:)``.
    package func withTarget<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        unsafe body(bytes(url, strlen(url)).span)
    }

    /// Reads the headers, repeated ones included, in the order in which they were sent.
    package func head(_ policy: AccessPolicy, isIntact: Bool) -> RequestHead {
        var head = RequestHead(policy, isIntact: isIntact)
        unsafe withUnsafeMutablePointer(to: &head) { head in
            _ = unsafe MHD_get_connection_values_n(
                connection, .HEADER_KIND,
                { head, _, name, nameByteCount, value, valueByteCount in
                    if let head = unsafe head, let name = unsafe name, let value = unsafe value {
                        unsafe head.assumingMemoryBound(to: RequestHead.self).pointee.add(
                            name: bytes(name, nameByteCount).span, value: bytes(value, valueByteCount).span)
                    }
                    return .YES
                }, head)
        }
        head.finish(isHTTP10: isHTTP10)
        return head
    }
}

private func bytes(_ start: UnsafePointer<CChar>, _ count: Int) -> UnsafeBufferPointer<UInt8> {
    unsafe UnsafeRawBufferPointer(start: start, count: count).assumingMemoryBound(to: UInt8.self)
}

// MARK: Targets

extension RequestTarget {
    /// Measures a target as it was sent and cuts off its query.
    ///
    /// The service reads no query. libmicrohttpd makes a record of each argument in it and, if there are too many, does
    /// not even reply.
    ///
    /// - Parameter target: in the memory that libmicrohttpd is about to write to itself.
    /// - Returns: its length in bytes; 0 if it is malformed.
    static func measure(_ target: UnsafePointer<CChar>) -> Int {
        let span = unsafe bytes(target, strlen(target)).span
        guard isWellFormed(span) else { return 0 }
        if let query = span.firstIndex(of: UInt8(ascii: "?")) {
            unsafe UnsafeMutablePointer(mutating: target)[query + 1] = 0
        }
        return span.count
    }

    /// Decodes a target in place, as libmicrohttpd asks for it.
    static func decode(_ target: UnsafeMutablePointer<CChar>?) -> Int {
        guard let target = unsafe target else { return 0 }
        let count = unsafe target.withMemoryRebound(to: UInt8.self, capacity: strlen(target)) { start in
            var span = unsafe UnsafeMutableBufferPointer(start: start, count: strlen(target)).mutableSpan
            return decode(&span)
        }
        unsafe target[count] = 0
        return count
    }
}
