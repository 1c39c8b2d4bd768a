internal import CLinux
internal import Glibc

/// A set of descriptors on which one thread waits until some of them are ready (epoll(7), edge-triggered).
package struct Epoll: ~Copyable {
    private let descriptor: CInt

    package struct Event: Sendable {
        package let descriptor: CInt
        /// Whether the other side has closed the connection or its half of it, or the connection is broken.
        package let hasLeft: Bool
    }

    package init() throws(SystemError) { descriptor = try systemCall("epoll_create1") { clinux_new_poll() } }

    deinit { close(descriptor) }

    /// Reports each signal from now on.
    package func add(_ event: borrowing EventDescriptor) throws(SystemError) {
        let added = event.descriptor
        try systemCall("epoll_ctl") { clinux_poll_readable(descriptor, added) }
    }

    /// Reports a socket now, and again each time that it becomes writable or that its client leaves.
    package func add(socket: CInt) throws(SystemError) {
        try systemCall("epoll_ctl") { clinux_poll_writable(descriptor, socket) }
    }

    package func remove(socket: CInt) { _ = clinux_poll_no_more(descriptor, socket) }

    /// Waits until at least one descriptor is ready; at most 64 are reported at a time.
    ///
    /// - Parameter timeoutMilliseconds: if negative, there is no timeout.
    /// - Returns: nothing if the time is up or a signal was handled.
    package func wait(timeoutMilliseconds: CInt) -> [Event] {
        var events = InlineArray<64, clinux_poll_event>(repeating: clinux_poll_event())
        let ready = unsafe withUnsafeMutableBytes(of: &events) { events in
            unsafe clinux_poll_wait(
                descriptor, events.assumingMemoryBound(to: clinux_poll_event.self).baseAddress, 64, timeoutMilliseconds)
        }
        return (0..<max(0, Int(ready))).map { index in
            Event(descriptor: events[index].descriptor, hasLeft: events[index].has_left)
        }
    }
}
