internal import CLinux
internal import Glibc

/// A set of descriptors on which one thread waits until some of them are ready (epoll(7), edge-triggered).
package struct Epoll: ~Copyable {
    /// Readable when a descriptor in the set is ready.
    package let descriptor: CInt

    package struct Event: Sendable {
        package let descriptor: CInt
        /// Whether the other side has closed the connection or its half of it, or the connection is broken.
        package let hasLeft: Bool
    }

    package init() throws(SystemError) {
        descriptor = try systemCall("epoll_create1") { negatedErrno(epoll_create1(CInt(EPOLL_CLOEXEC))) }
    }

    deinit { close(descriptor) }

    /// Reports each signal from now on.
    package func add(_ event: borrowing EventDescriptor) throws(SystemError) {
        try add(event.descriptor, EPOLLIN.rawValue)
    }

    /// Reports a socket now, and again each time that it becomes writable or that its client leaves.
    package func add(socket: CInt) throws(SystemError) { try add(socket, EPOLLOUT.rawValue | EPOLLRDHUP.rawValue) }

    /// Reports a socket when it is readable, or its client leaves.
    package func add(readable socket: CInt) throws(SystemError) {
        try add(socket, EPOLLIN.rawValue | EPOLLRDHUP.rawValue)
    }

    private func add(_ added: CInt, _ events: UInt32) throws(SystemError) {
        var event = unsafe epoll_event(events: events | EPOLLET.rawValue, data: epoll_data(fd: added))
        try systemCall("epoll_ctl") { negatedErrno(unsafe epoll_ctl(descriptor, EPOLL_CTL_ADD, added, &event)) }
    }

    package func remove(socket: CInt) { _ = epoll_ctl(descriptor, EPOLL_CTL_DEL, socket, nil) }

    /// Waits until at least one descriptor is ready; at most 64 are reported at a time.
    ///
    /// - Parameter timeoutMilliseconds: if negative, there is no timeout.
    /// - Returns: nothing if the time is up or a signal was handled.
    package func wait(timeoutMilliseconds: CInt) -> [Event] {
        var events = unsafe InlineArray<64, epoll_event>(repeating: epoll_event())
        let ready = unsafe withUnsafeMutableBytes(of: &events) { events in
            let first = unsafe events.assumingMemoryBound(to: epoll_event.self).baseAddress
            return unsafe epoll_wait(descriptor, first, 64, timeoutMilliseconds)
        }
        let left = EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue
        return (0..<max(0, Int(ready))).map { index in
            unsafe Event(descriptor: events[index].data.fd, hasLeft: events[index].events & left != 0)
        }
    }
}
