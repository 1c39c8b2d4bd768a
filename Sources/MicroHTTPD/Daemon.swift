internal import CMicroHTTPD
import HTTPMessages
package import LinuxSystem
import Synchronization

/// Serves the connections of one listening socket with libmicrohttpd.
@safe package final class Daemon: Sendable {
    private let handler: any RequestHandler
    private let watchdog: Watchdog
    private let timeLimits: TimeLimits
    private let budget: ByteBudget
    private let meter: TrafficMeter
    /// Nil if the connections are not encrypted.
    private let credentials: CurrentCredentials?
    /// Empty once stopped.
    private let loops = Mutex<[EventLoop]>([])
    private let requestCount = Atomic<Int>(0)

    /// The memory of a connection for the head of a request, what libmicrohttpd records of it, and the head of the response.
    private static let memoryByteCount = 16 << 10
    /// How much of it a request may take.
    ///
    /// If it took all of it, it would be carried out, and its response would have no room.
    package static let maximumHeadByteCount = memoryByteCount - (2 << 10)

    package struct Limits: Sendable {
        let threadCount: Int
        let connectionCount: Int
        let connectionCountPerAddress: Int
        let time: TimeLimits

        package init(threadCount: Int, connectionCount: Int, connectionCountPerAddress: Int, time: TimeLimits) {
            self.threadCount = threadCount
            self.connectionCount = connectionCount
            self.connectionCountPerAddress = connectionCountPerAddress
            self.time = time
        }

        fileprivate func share(of limit: Int) -> UInt32 { UInt32((limit + threadCount - 1) / threadCount) }
    }

    /// Prepares to serve; ``start()`` begins.
    ///
    /// - Parameters:
    ///   - budget: counts the bodies that are being received.
    ///   - credentials: for TLS; nil to serve without encryption.
    /// - Returns: nil if the operating system refuses what an event loop needs.
    package init?(
        _ socket: CInt, _ limits: Limits, _ budget: ByteBudget, _ meter: TrafficMeter, _ watchdog: Watchdog,
        _ handler: any RequestHandler, _ credentials: CurrentCredentials? = nil
    ) {
        self.meter = meter
        self.handler = handler
        self.credentials = credentials
        self.budget = budget
        self.watchdog = watchdog
        timeLimits = limits.time
        var options = unsafe cmicrohttpd_options()
        unsafe options.listen_socket = socket
        unsafe options.connection_limit = limits.share(of: limits.connectionCount)
        unsafe options.connection_limit_per_address = limits.share(of: limits.connectionCountPerAddress)
        // For the head of a request and pieces of its body. libmicrohttpd clears all of it after each request: with twice as
        // much, a GET took three quarters more instructions, and a sixth more time.
        unsafe options.memory_byte_count = Self.memoryByteCount
        unsafe options.setCallbacks()
        for _ in 0..<limits.threadCount {
            // `deinit` stops the loops that have been made.
            guard let loop = unsafe EventLoop(options, isEncrypted: credentials != nil, for: self) else { return nil }
            loops.withLock { $0.append(loop) }
        }
    }

    deinit { stop() }

    /// Begins to accept connections.
    package func start() throws(SystemError) {
        for loop in loops.withLock({ $0 }) { try loop.start() }
    }

    /// The number of requests whose head has arrived and whose response is not yet sent.
    package var requestsInFlight: Int { requestCount.load(ordering: .acquiring) }

    /// How often each event loop has turned.
    package var turnCounts: [Int] { loops.withLock { $0.map(\.turnCount) } }

    package func wakeLoops() { loops.withLock { for loop in $0 { loop.wake() } } }

    /// Accepts no more connections and gives the listening socket back to the caller; open connections go on.
    package func quiesce() {
        loops.withLock { $0.forEach { $0.quiesce() } }
    }

    /// From now on ends each connection on which no request is under way; its handler ends the others with their responses.
    package func drain() { loops.withLock { for loop in $0 { loop.drain() } } }

    func endIdle(of waker: Waker) { watchdog.endIdle(of: waker) }

    /// Closes all connections and ends the threads.
    ///
    /// The listening socket stays the caller's. No connection may be held.
    package func stop() {
        quiesce()
        loops.withLock { loops in
            for loop in loops { loop.stop() }
            loops = []
        }
    }
}

// MARK: Requests and connections

extension Daemon {
    /// Handles one of libmicrohttpd's calls for a request.
    ///
    /// - Parameter state: the request's ``RequestContext``, kept by libmicrohttpd.
    /// - Returns: false to close the connection.
    func handle(
        _ request: Request, _ upload: RawSpan?, _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>,
        _ open: OpenConnection
    ) -> Bool {
        guard let bits = unsafe state.pointee else { return false }
        let context = unsafe RequestContext(bits: bits)
        if let targetByteCount = context.targetByteCount {
            requestCount.add(1, ordering: .relaxed)
            open.startNanoseconds.store(Clock.monotonicNanoseconds, ordering: .relaxed)
            unsafe state.pointee = RequestContext.none.bits
            let isIntact = request.isIntact(targetByteCount: targetByteCount)
            var request = request
            if context.versionOffset > 0, isIntact {
                request.versionArgument = context.versionOffset..<targetByteCount
            }
            switch unsafe handler.begin(request, target: request.target.span, isIntact: isIntact) {
            case .refuse(let reply): return open.beginReply() && perform(reply, request, open)
            case .proceed(let context, let bodyLimit):
                unsafe state.pointee = context.bits
                return bodyLimit.map(open.awaitBody(atMost:)) ?? true
            }
        }
        if let upload {
            meter.receive(upload.byteCount)
            guard !open.receive(upload) else { return true }
            let context = unsafe RequestContext(bits: bits)
            return perform(handler.refuse(open.body.fault ?? .noMemory, request, context), request, open)
        }
        guard open.beginReply() else { return false }
        let reply = handler.finish(request, context, open.body)
        open.body.clear()
        let goesOn = perform(reply, request, open)
        // The request has arrived in full: there is nothing to wait for.
        if case .last = reply { return false }
        return goesOn
    }

    /// Carries out a reply: the one place where responses are queued and connections held.
    private func perform(_ reply: Reply, _ request: Request, _ open: OpenConnection) -> Bool {
        switch reply {
        case .response(let status, let response, let endsConnection):
            if endsConnection { guard unsafe cmicrohttpd_end(request.connection) == .YES else { return false } }
            guard open.respond(byteCount: response.byteCount) else { return false }
            if status != .noContent, status != .notModified, request.method != .head { meter.send(response.byteCount) }
            let fields = open.responseFields
            let complete = fields.isEmpty ? response : response.copy(adding: fields)
            open.transport.gather(byteCount: response.byteCount)
            return unsafe MHD_queue_response(request.connection, status.rawValue, complete.pointer) == .YES
        case .hold(let take):
            guard open.hold() else { return false }
            open.startNanoseconds.store(0, ordering: .relaxed)
            unsafe MHD_suspend_connection(request.connection)
            unsafe take(HeldConnection(request.connection, open))
            return true
        case .last(_, let message):
            meter.send(Self.contentByteCount(of: message))
            return open.finish(with: Self.message(message, adding: open.responseFields))
        case .close: return false
        }
    }

    /// Notes that a request is over, its response sent or its connection closed.
    func complete(_ connection: OpaquePointer, _ bits: UnsafeMutableRawPointer) {
        let context = unsafe RequestContext(bits: bits)
        let wasHandled = context.targetByteCount == nil
        _ = unsafe OpenConnection.with(connection) { open in
            open.transport.sendGathered()
            if wasHandled { measureDuration(open) }
            open.awaitHead(afterHandledRequest: wasHandled)
        }
        guard wasHandled else { return }
        context.release()
        requestCount.subtract(1, ordering: .releasing)
    }

    private func measureDuration(_ open: OpenConnection) {
        let start = open.startNanoseconds.load(ordering: .relaxed)
        if start > 0 { meter.finish(after: Clock.monotonicNanoseconds - start) }
    }

    /// The message with additional fields in its head.
    private static func message(_ message: [UInt8], adding fields: [ResponseField]) -> [UInt8] {
        guard !fields.isEmpty, let lineFeed = message.firstIndex(of: 10) else { return message }
        return message[...lineFeed] + fields.flatMap { Array("\($0.name.rawValue): \($0.value)\r\n".utf8) }
            + message[(lineFeed + 1)...]
    }

    /// The length of what follows a message's head.
    private static func contentByteCount(of message: [UInt8]) -> Int {
        let lineFeeds = message.indices.dropFirst(3).first {
            message[$0] == 10 && message[$0 - 1] == 13 && message[$0 - 2] == 10 && message[$0 - 3] == 13
        }
        return lineFeeds.map { message.count - $0 - 1 } ?? 0
    }

    /// - Returns: the connection's context in libmicrohttpd.
    func open(_ connection: OpaquePointer, _ waker: Waker) -> UnsafeMutableRawPointer {
        let open = unsafe OpenConnection(transport(of: connection, waker), timeLimits, waker, RequestBody(budget))
        watchdog.add(open)
        return unsafe Unmanaged.passUnretained(open).toOpaque()
    }

    private func transport(of connection: OpaquePointer, _ waker: Waker) -> any Transport {
        let descriptor = unsafe cmicrohttpd_socket(connection)
        guard let credentials, let handshakes = waker.handshakes,
            let session = unsafe cmicrohttpd_tls_session(connection)
        else { return SocketTransport(descriptor: descriptor) }
        return unsafe TLSTransport(OpaquePointer(session), descriptor, credentials.value) {
            unsafe handshakes.suspend(connection, descriptor)
        }
    }

    /// A connection has ended; its session, if it had one, is freed already.
    func close(_ connection: OpaquePointer) {
        let descriptor = unsafe cmicrohttpd_socket(connection)
        _ = unsafe OpenConnection.with(connection) { $0.transport.forget() }
        let isRefused = unsafe OpenConnection.with(connection) { $0.isRefused } ?? false
        // What libmicrohttpd refuses, it closes at once, and the system then throws the refusal away with what the client
        // is still sending.
        watchdog.remove(descriptor, lingering: isRefused)
    }
}

extension OpenConnection {
    /// The record of a connection; the watchdog retains it while the connection is open.
    static func with<Result>(_ connection: OpaquePointer, _ body: (OpenConnection) -> Result) -> Result? {
        guard let context = unsafe cmicrohttpd_context(connection) else { return nil }
        return unsafe Unmanaged<OpenConnection>.fromOpaque(context)._withUnsafeGuaranteedRef(body)
    }
}
