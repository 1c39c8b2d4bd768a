internal import Glibc
import SharedMemory

/// A stream socket, closed at the end of its life.
struct Socket: ~Copyable {
    let descriptor: CInt

    /// Non-blocking, and not for the programs that this one starts.
    ///
    /// - Throws: what the system says.
    init(family: CInt) throws(SystemError) {
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        descriptor = try SystemError.check(socket(family, type, 0))
    }

    deinit { close(descriptor) }

    /// Ends what is connected to a socket, whoever owns it, and refuses what would; the descriptor stays open.
    ///
    /// In one place: where two files name SHUT_RDWR, an optimized build of Swift 6.3 does not find it in the second.
    static func shutDown(_ descriptor: CInt) { shutdown(descriptor, CInt(SHUT_RDWR)) }

    /// Sends what can be sent at once.
    ///
    /// - Returns: how many bytes that was; −1 with errno.
    static func send(_ bytes: UnsafeRawBufferPointer, to descriptor: CInt) -> Int {
        unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
    }

    func set(_ option: CInt, _ level: CInt, to value: CInt = 1) throws(SystemError) {
        var value = value
        try SystemError.check(
            unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size)))
    }

    func bind(_ address: SocketAddress) throws(SystemError) {
        try SystemError.check(unsafe address.withPointer { unsafe Glibc.bind(descriptor, $0, $1) })
    }

    func listen() throws(SystemError) {
        try SystemError.check(Glibc.listen(descriptor, SOMAXCONN))
    }

    func connect(_ address: SocketAddress) throws(SystemError) {
        try SystemError.check(unsafe address.withPointer { unsafe Glibc.connect(descriptor, $0, $1) })
    }
}

/// An errno.
struct SystemError: Error, Equatable {
    let code: CInt

    var reason: String { unsafe String(cString: strerror(code)) }

    /// Turns the C library's −1 into an error.
    @discardableResult
    static func check(_ result: CInt) throws(SystemError) -> CInt {
        guard result >= 0 else { throw SystemError(code: errno) }
        return result
    }

    /// Turns what the core says of the system into the same here.
    static func of<Value>(_ body: () throws(SegmentError) -> Value) throws(SystemError) -> Value {
        do throws(SegmentError) {
            return try body()
        } catch {
            if case .system(_, let code) = error { throw SystemError(code: code) }
            throw SystemError(code: EIO)
        }
    }

    /// Turns −errno into an error.
    @discardableResult
    static func checkNegated(_ result: CInt) throws(SystemError) -> CInt {
        guard result >= 0 else { throw SystemError(code: -result) }
        return result
    }
}
