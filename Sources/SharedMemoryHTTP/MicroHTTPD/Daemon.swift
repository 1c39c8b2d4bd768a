internal import CMicroHTTPD
import Synchronization

/// What answers requests.
///
/// MHD calls for each: `begin`, then `receive` for each piece of the body, then `finish`; all from the same
/// thread.
protocol RequestHandler: AnyObject, Sendable {
    /// The head has come, the body has not. An answer that is given here ends the connection: only for refusing.
    ///
    /// - Parameter isAsSent: false when the head is not what `request` has of it; see ``Request/isAsSent(targetByteCount:)``.
    /// - Returns: what the later calls get; nil when nothing could be answered and the connection is to be closed.
    func begin(_ request: Request, isAsSent: Bool) -> RequestContext?
    /// A piece of the body has come. Nothing can be answered here.
    ///
    /// - Returns: false to close the connection.
    func receive(_ bytes: RawSpan, _ context: RequestContext) -> Bool
    /// The request is complete; answer it, or hold it: then this is called again when it is let go.
    func finish(_ request: Request, _ context: RequestContext) -> Bool
}

/// A listening socket and the threads that serve it.
@safe final class Daemon: Sendable {
    private let handler: any RequestHandler
    private let watchdog: Watchdog
    private let timeLimits: TimeLimits
    /// None once stopped.
    private let loops = Mutex<[EventLoop]>([])
    private let requestCount = Atomic<Int>(0)

    struct Limits {
        let threadCount: Int
        let connectionCount: Int
        let connectionCountPerAddress: Int
        let time: TimeLimits

        fileprivate func share(of limit: Int) -> Int { (limit + threadCount - 1) / threadCount }
    }

    /// - Returns: nil when the operating system refuses what an event loop needs.
    init?(_ socket: CInt, _ limits: Limits, _ watchdog: Watchdog, _ handler: any RequestHandler) {
        self.handler = handler
        self.watchdog = watchdog
        timeLimits = limits.time
        var options = unsafe cmicrohttpd_options()
        unsafe options.listen_socket = socket
        // Each loop has its part of them.
        unsafe options.connection_limit = UInt32(limits.share(of: limits.connectionCount))
        unsafe options.connection_limit_per_address = UInt32(limits.share(of: limits.connectionCountPerAddress))
        // For the head of a request, and pieces of its body. MHD clears all of it after each request: twice as
        // much would cost a GET a fortieth of its time.
        unsafe options.memory_byte_count = 16 << 10
        unsafe options.notify = { unsafe notifyConnection($0, $1, $2, $3) }
        unsafe options.begin = { _, target, _ in unsafe beginRequest(target) }
        unsafe options.handle = { unsafe handleRequest($0, $1, $2, $3, $4, $5, $6, $7) }
        unsafe options.complete = { object, connection, context, _ in
            unsafe completeRequest(object, connection, context)
        }
        unsafe options.unescape = { _, _, text in unsafe unescape(text) }
        for _ in 0..<limits.threadCount {
            guard let loop = unsafe EventLoop(options, for: self) else {
                // The socket stays the caller's.
                quiesce()
                return nil
            }
            loops.withLock { $0.append(loop) }
        }
    }

    deinit { stop() }

    /// The number of requests whose head has come and whose answer is not yet sent.
    var requestsInFlight: Int { requestCount.load(ordering: .acquiring) }

    /// Accepts no more connections; those that are there go on.
    ///
    /// The socket is the caller's again.
    func quiesce() {
        loops.withLock { loops in
            for loop in loops { loop.quiesce() }
        }
    }

    /// Closes what connections there are and ends the threads.
    ///
    /// Quiesce first, or the socket is closed too.
    func stop() {
        loops.withLock { loops in
            for loop in loops { loop.stop() }
            loops = []
        }
    }
}

// MARK: What MHD calls

extension Daemon {
    fileprivate func handle(
        _ request: Request, _ upload: RawSpan?, _ word: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    ) -> Bool {
        guard let bits = unsafe word.pointee else { return false }
        let context = unsafe RequestContext(bits: bits)
        if let targetByteCount = context.targetByteCount {
            requestCount.add(1, ordering: .relaxed)
            unsafe word.pointee = RequestContext.none.bits
            let isAsSent = request.isAsSent(targetByteCount: targetByteCount)
            guard let context = handler.begin(request, isAsSent: isAsSent) else { return false }
            unsafe word.pointee = context.bits
            if context.isObject { unsafe OpenConnection.with(request.connection) { $0.awaitBody() } }
            return true
        }
        if let upload {
            unsafe OpenConnection.with(request.connection) { $0.received(byteCount: upload.byteCount) }
            return handler.receive(upload, context)
        }
        if context.isObject, unsafe OpenConnection.with(request.connection, { $0.bodyIsThere() }) != true {
            return false
        }
        return handler.finish(request, context)
    }

    fileprivate func complete(_ connection: OpaquePointer, _ bits: UnsafeMutableRawPointer) {
        unsafe OpenConnection.with(connection) { $0.awaitHead() }
        let context = unsafe RequestContext(bits: bits)
        guard context.targetByteCount == nil else { return }
        context.release()
        requestCount.subtract(1, ordering: .releasing)
    }

    /// - Returns: what the connection's context is to be.
    fileprivate func open(_ connection: OpaquePointer, _ waker: Waker) -> UnsafeMutableRawPointer {
        let record = unsafe OpenConnection(cmicrohttpd_socket(connection), timeLimits, waker)
        watchdog.add(record)
        return unsafe Unmanaged.passUnretained(record).toOpaque()
    }

    fileprivate func close(_ connection: OpaquePointer) { unsafe watchdog.remove(cmicrohttpd_socket(connection)) }
}

extension OpenConnection {
    /// What is known of MHD's connection.
    static func with<Result>(_ connection: OpaquePointer, _ body: (OpenConnection) -> Result) -> Result? {
        guard let context = unsafe cmicrohttpd_context(connection) else { return nil }
        return unsafe Unmanaged<OpenConnection>.fromOpaque(context)._withUnsafeGuaranteedRef { body($0) }
    }
}

private func handleRequest(
    _ object: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ upload: UnsafePointer<CChar>?,
    _ uploadByteCount: UnsafeMutablePointer<Int>?,
    _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let object = unsafe object, let connection = unsafe connection, let url = unsafe url,
        let method = unsafe method, let version = unsafe version, let uploadByteCount = unsafe uploadByteCount,
        let context = unsafe context
    else { return .NO }
    let request = unsafe Request(connection: connection, url: url, method: method, version: version)
    let uploaded = unsafe UnsafeRawBufferPointer(start: upload, count: uploadByteCount.pointee)
    let goesOn = unsafe Waker.with(object) { _, daemon in
        unsafe daemon.handle(request, uploaded.isEmpty ? nil : uploaded.bytes, context)
    }
    // All of the upload is taken, or MHD would show the rest again.
    unsafe uploadByteCount.pointee = 0
    return goesOn ? .YES : .NO
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
    return unsafe RequestContext(targetByteCount: RequestTarget.measure(target)).bits
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
            unsafe daemon.close(connection)
        }
    }
}
