internal import Glibc

/// systemd, or another service manager that speaks its protocols.
package enum ServiceManager {
    /// The sockets that it has opened for this process (sd_listen_fds(3)), which the caller must close; none without one.
    ///
    /// Call it once, before any thread starts: it takes what it has read out of the environment.
    package static func takeSockets() -> [CInt] {
        defer { for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsafe unsetenv(name) } }
        guard Environment["LISTEN_PID"].flatMap({ pid_t($0) }) == getpid(),
            let count = Environment["LISTEN_FDS"].flatMap({ CInt($0) }), (1...1000).contains(count)
        else { return [] }
        let first: CInt = 3
        let descriptors = Array(first..<first + count)
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return descriptors
    }

    /// Tells it something (sd_notify(3)); without effect if it has not asked to be told.
    ///
    /// - Parameter state: assignments such as `READY=1`, one a line.
    package static func notify(_ state: String) {
        guard let name = Environment["NOTIFY_SOCKET"], let address = SocketAddress(datagramName: name) else { return }
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(state.utf8)
        _ = unsafe address.withPointer { unsafe sendto(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL), $0, $1) }
    }

    /// The longest that it waits for `WATCHDOG=1` before it takes this process for dead; nil if it does not wait for that.
    package static var watchdogMilliseconds: Int? {
        guard let microseconds = Environment["WATCHDOG_USEC"].flatMap({ Int($0) }), microseconds > 0 else { return nil }
        let process = Environment["WATCHDOG_PID"].flatMap { pid_t($0) }
        return process ?? getpid() == getpid() ? max(1, microseconds / 1000) : nil
    }
}
