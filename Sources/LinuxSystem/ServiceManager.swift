internal import Glibc

/// systemd, or another service manager that speaks its protocols.
package enum ServiceManager {
    /// Returns the sockets that the service manager has opened for this process (sd_listen_fds(3)); the caller must close them.
    ///
    /// Call this once, before any thread starts, because it removes the variables that it reads from the environment.
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

    /// Notifies the service manager (sd_notify(3)), if it has asked for that.
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

    /// How long the service manager waits for `WATCHDOG=1` before it considers this process dead; nil if it does not.
    package static var watchdogMilliseconds: Int? {
        guard let microseconds = Environment["WATCHDOG_USEC"].flatMap({ Int($0) }), microseconds > 0 else { return nil }
        let process = Environment["WATCHDOG_PID"].flatMap { pid_t($0) }
        return process ?? getpid() == getpid() ? max(1, microseconds / 1000) : nil
    }
}
