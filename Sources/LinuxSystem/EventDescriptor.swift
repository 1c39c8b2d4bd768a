internal import CLinux
internal import Glibc

/// A descriptor on which one thread waits until another signals it.
package struct EventDescriptor: ~Copyable {
    package let descriptor: CInt

    package init() throws(SystemError) {
        descriptor = try systemCall("eventfd") { negatedErrno(eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))) }
    }

    deinit { close(descriptor) }

    /// Makes the descriptor readable.
    package func signal() {
        var count: UInt64 = 1
        unsafe write(descriptor, &count, 8)
    }

    /// Whether the descriptor is readable, now or within so many milliseconds; it stays so.
    package func isSignalled(within milliseconds: Int = 0) -> Bool {
        var poll = pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0)
        return unsafe Glibc.poll(&poll, 1, CInt(clamping: milliseconds)) > 0
    }

    /// Makes the descriptor unreadable until it is signalled again.
    package func clear() {
        var count: UInt64 = 0
        unsafe read(descriptor, &count, 8)
    }

    /// Waits for a signal and clears it, or until `end` is signalled.
    ///
    /// - Returns: false if `end` was.
    package func wait(orUntil end: borrowing EventDescriptor) -> Bool {
        var polls = [descriptor, end.descriptor].map { pollfd(fd: $0, events: CShort(POLLIN), revents: 0) }
        while unsafe poll(&polls, 2, -1) <= 0 {}
        clear()
        return polls[1].revents == 0
    }

    /// Waits for a signal and clears it.
    ///
    /// - Parameter timeoutMilliseconds: if negative, there is no timeout.
    /// - Returns: false if the time was up first.
    @discardableResult
    package func wait(timeoutMilliseconds: CInt) -> Bool {
        var poll = pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0)
        let isSignalled = unsafe Glibc.poll(&poll, 1, timeoutMilliseconds) > 0
        clear()
        return isSignalled
    }
}
