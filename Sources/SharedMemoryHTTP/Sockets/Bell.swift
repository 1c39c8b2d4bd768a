internal import CLinux
internal import Glibc

/// A descriptor at which one thread waits until another rings.
struct Bell: ~Copyable {
    let descriptor: CInt

    init() throws(SystemError) { descriptor = try SystemError.checkNegated(clinux_new_event_descriptor()) }

    deinit { close(descriptor) }

    func ring() {
        var count: UInt64 = 1
        unsafe write(descriptor, &count, 8)
    }

    func wait(timeoutMilliseconds: CInt) {
        var poll = pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0)
        unsafe Glibc.poll(&poll, 1, timeoutMilliseconds)
        silence()
    }

    /// It can be heard again when it is rung next.
    func silence() {
        var count: UInt64 = 0
        unsafe read(descriptor, &count, 8)
    }
}
