internal import CMicroHTTPD
internal import Glibc
package import HTTPMessages
package import LinuxSystem
internal import Synchronization

/// A request whose head has arrived; valid only during the handler's call that it is passed to.
@safe package struct Request {
    let connection: OpaquePointer
    let url: UnsafePointer<CChar>
    let methodName: UnsafePointer<CChar>
    let version: UnsafePointer<CChar>
    /// Where in the target as it was sent the value of `version=` is; nil if its query has none.
    var versionArgument: Range<Int>?

    /// Nil for an unknown method.
    package var method: Method? { unsafe Method(bytes(methodName, strlen(methodName)).span) }

    /// HTTP/1.0 has neither `Host` nor chunked bodies.
    package var isHTTP10: Bool { unsafe strcmp(version, "HTTP/1.0") == 0 }

    /// The target without its query, decoded by ``RequestTarget/decode(_:)``.
    var target: UnsafeBufferPointer<UInt8> { unsafe bytes(url, strlen(url)) }

    /// The value of `version=` in the query, of which nothing else is read; nil if there is none.
    package var versionAskedFor: String? {
        guard let versionArgument else { return nil }
        // libmicrohttpd leaves the bytes of the query where they are, except for the first one, which was cut off.
        let value = unsafe bytes(url + versionArgument.lowerBound, versionArgument.count).span
        let end = value.firstIndex(of: UInt8(ascii: "&"), from: 0) ?? value.count
        return value.extracting(0..<end).text ?? ""
    }

    /// The number of bytes from the method to the empty line.
    package var headByteCount: Int { unsafe cmicrohttpd_head_byte_count(connection) }

    /// The process that has connected; nil unless it did so through a Unix socket.
    package var peer: SocketPeer? { Socket.peer(of: unsafe cmicrohttpd_socket(connection)) }

    /// The supplementary groups of that process.
    package var peerGroups: [UInt32] { Socket.peerGroups(of: unsafe cmicrohttpd_socket(connection)) }

    /// The address of the client's host, in digits; nil unless it has connected over IP.
    package var clientAddress: String? {
        SocketAddress(ofPeer: unsafe cmicrohttpd_socket(connection)).numericHostAndPort?.host
    }

    /// When the head arrived, in nanoseconds on the monotonic clock.
    package var arrivalNanoseconds: Int {
        unsafe OpenConnection.with(connection) { $0.startNanoseconds.load(ordering: .relaxed) } ?? 0
    }

    /// Adds fields to whatever response this request gets.
    package func respond(with fields: [ResponseField]) {
        _ = unsafe OpenConnection.with(connection) { $0.responseFields = fields }
    }

    /// The target without its query, decoded.
    package var decodedTarget: String { unsafe String(decoding: target, as: UTF8.self) }

    /// The names in the certificate that the client has connected with; none if it has none.
    package var certificateNames: [String] {
        unsafe OpenConnection.with(connection) { $0.transport.clientNames } ?? []
    }

    /// Reads the headers, repeated ones included, in the order in which they were sent.
    package func head(_ policy: AccessPolicy, isIntact: Bool) -> RequestHead {
        typealias Reading = (head: RequestHead, policy: Unmanaged<AccessPolicy>)
        var reading: Reading = unsafe (RequestHead(policy, isIntact: isIntact), Unmanaged.passUnretained(policy))
        unsafe withUnsafeMutablePointer(to: &reading) { reading in
            _ = unsafe MHD_get_connection_values_n(
                connection, .HEADER_KIND,
                { reading, _, name, nameByteCount, value, valueByteCount in
                    guard let reading = unsafe reading?.assumingMemoryBound(to: Reading.self), let name = unsafe name,
                        let value = unsafe value
                    else { return .YES }
                    unsafe reading.pointee.policy._withUnsafeGuaranteedRef { policy in
                        unsafe reading.pointee.head.add(
                            name: bytes(name, nameByteCount).span, value: bytes(value, valueByteCount).span, policy)
                    }
                    return .YES
                }, reading)
        }
        unsafe reading.head.finish(isHTTP10: isHTTP10)
        return unsafe reading.head
    }
}

private func bytes(_ start: UnsafePointer<CChar>, _ count: Int) -> UnsafeBufferPointer<UInt8> {
    unsafe UnsafeRawBufferPointer(start: start, count: count).assumingMemoryBound(to: UInt8.self)
}

// MARK: Targets

extension RequestTarget {
    /// Measures a target as it was sent and cuts off its query, of which the service reads one argument.
    ///
    /// libmicrohttpd makes a record of each argument in it and, if there are too many, does
    /// not even reply.
    ///
    /// - Parameter target: in the memory that libmicrohttpd is about to write to itself.
    /// - Returns: its length in bytes, 0 if it is malformed; and where the version begins that it asks for.
    static func measure(_ target: UnsafePointer<CChar>) -> RequestContext {
        let span = unsafe bytes(target, strlen(target)).span
        guard let count = byteCountBeforeQuery(span) else { return RequestContext(targetByteCount: 0) }
        guard count < span.count else { return RequestContext(targetByteCount: span.count) }
        let versionOffset = versionOffset(span, queryFrom: count) ?? 0
        unsafe UnsafeMutablePointer(mutating: target)[count] = 0
        return RequestContext(targetByteCount: span.count, versionOffset: versionOffset)
    }

    /// Decodes a target in place, as libmicrohttpd asks for it.
    static func decode(_ target: UnsafeMutablePointer<CChar>?) -> Int {
        guard let target = unsafe target else { return 0 }
        let encodedCount = unsafe strlen(target)
        guard unsafe memchr(target, CInt(UInt8(ascii: "%")), encodedCount) != nil else { return encodedCount }
        let count = unsafe target.withMemoryRebound(to: UInt8.self, capacity: encodedCount) { start in
            var span = unsafe UnsafeMutableBufferPointer(start: start, count: encodedCount).mutableSpan
            return decode(&span)
        }
        unsafe target[count] = 0
        return count
    }
}
