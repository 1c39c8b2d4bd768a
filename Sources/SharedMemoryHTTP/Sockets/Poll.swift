internal import CLinux
internal import Glibc

/// Descriptors of which a thread waits for the next that something can be done with.
struct Poll: ~Copyable {
    private let descriptor: CInt

    typealias Event = clinux_poll_event

    init() throws(SystemError) { descriptor = try SystemError.checkNegated(clinux_new_poll()) }

    deinit { close(descriptor) }

    /// Reports each ring from now on.
    func add(_ bell: borrowing Bell) throws(SystemError) {
        try SystemError.checkNegated(clinux_poll_readable(descriptor, bell.descriptor))
    }

    /// Reports a socket now, and each time that it can be written to again, or that its client has left.
    func add(socket: CInt) throws(SystemError) {
        try SystemError.checkNegated(clinux_poll_writable(descriptor, socket))
    }

    func remove(socket: CInt) { _ = clinux_poll_no_more(descriptor, socket) }

    /// - Parameter timeoutMilliseconds: a negative one is none.
    func wait(timeoutMilliseconds: CInt) -> [Event] {
        unsafe [Event](unsafeUninitializedCapacity: 64) { events, count in
            let ready = unsafe clinux_poll_wait(
                descriptor, events.baseAddress, CInt(events.count), timeoutMilliseconds)
            count = max(0, Int(ready))
        }
    }
}
