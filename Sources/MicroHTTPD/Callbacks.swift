internal import CMicroHTTPD
import HTTPMessages

// What libmicrohttpd calls, with the loop's ``Waker`` as the first argument.

extension cmicrohttpd_options {
    mutating func setCallbacks() {
        unsafe notify = { unsafe notifyConnection($0, $1, $2, $3) }
        unsafe begin = { _, target, _ in unsafe beginRequest(target) }
        unsafe handle = { unsafe handleRequest($0, $1, $2, $3, $4, $5, $6, $7) }
        unsafe complete = { object, connection, context, _ in unsafe completeRequest(object, connection, context) }
        unsafe unescape = { _, _, target in unsafe RequestTarget.decode(target) }
    }
}

private func handleRequest(
    _ object: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ upload: UnsafePointer<CChar>?,
    _ uploadByteCount: UnsafeMutablePointer<Int>?, _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let object = unsafe object, let connection = unsafe connection, let url = unsafe url,
        let method = unsafe method, let version = unsafe version, let uploadByteCount = unsafe uploadByteCount,
        let context = unsafe context
    else { return .NO }
    let request = unsafe Request(connection: connection, url: url, methodName: method, version: version)
    let uploaded = unsafe UnsafeRawBufferPointer(start: upload, count: uploadByteCount.pointee)
    let goesOn = unsafe Waker.with(object) { _, daemon in
        unsafe OpenConnection.with(connection) { open in
            unsafe daemon.handle(request, uploaded.isEmpty ? nil : uploaded.bytes, context, open)
        }
    }
    // All of the upload has been taken; otherwise libmicrohttpd would show the rest again.
    unsafe uploadByteCount.pointee = 0
    return goesOn == true ? .YES : .NO
}

private func completeRequest(
    _ object: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
    guard let object = unsafe object, let connection = unsafe connection, let context = unsafe context,
        let bits = unsafe context.pointee
    else { return }
    unsafe Waker.with(object) { _, daemon in unsafe daemon.complete(connection, bits) }
    unsafe context.pointee = nil
}

private func beginRequest(_ target: UnsafePointer<CChar>?) -> UnsafeMutableRawPointer? {
    guard let target = unsafe target else { return nil }
    return unsafe RequestTarget.measure(target).bits
}

private func notifyConnection(
    _ object: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ event: MHD_ConnectionNotificationCode
) {
    guard let object = unsafe object, let connection = unsafe connection, let context = unsafe context else { return }
    unsafe Waker.with(object) { waker, daemon in
        if event == .CONNECTION_NOTIFY_STARTED {
            unsafe context.pointee = daemon.open(connection, waker)
        } else {
            waker.closedCount += 1
            unsafe daemon.close(connection)
        }
    }
}
