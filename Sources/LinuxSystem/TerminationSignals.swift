internal import CLinux
internal import Glibc
internal import Synchronization

/// The signals that ask this process to end.
package enum TerminationSignals {
    private static let received = Atomic(false)

    /// Whether one was received since ``handle()``.
    package static var wereReceived: Bool { received.load(ordering: .relaxed) }

    /// Has SIGINT, SIGTERM and SIGHUP interrupt the system calls that wait; a second one ends the process.
    ///
    /// Writing to a pipe without a reader becomes an error. What this process was started to ignore, as by nohup(1) or in
    /// the background of a script, stays ignored.
    package static func handle() {
        // A static is initialized at its first use, which must not be in the handler.
        _ = wereReceived
        for signal in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(signal) {
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_handler = { signal in
                guard TerminationSignals.received.exchange(true, ordering: .relaxed) else { return }
                Glibc.signal(signal, SIG_DFL)
                raise(signal)
            }
            unsafe sigaction(signal, &action, nil)
        }
        signal(SIGPIPE, SIG_IGN)
    }

    private static func isIgnored(_ signal: CInt) -> Bool {
        var action = sigaction()
        unsafe sigaction(signal, nil, &action)
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// Holds SIGTERM, SIGINT and SIGHUP back for ``wait()``, in this thread and all that it will start.
    ///
    /// Writing to a pipe without a reader becomes an error.
    package static func block() {
        var signals = awaited
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Waits for a blocked signal.
    ///
    /// After one that asks the process to end, the next one ends it.
    ///
    /// - Returns: false after SIGHUP, which asks to read the configuration again.
    package static func wait() -> Bool {
        var signals = awaited
        var signal: CInt = 0
        unsafe sigwait(&signals, &signal)
        if signal == SIGHUP { return false }
        unsafe sigdelset(&signals, SIGHUP)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        return true
    }

    private static var awaited: sigset_t {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe sigaddset(&signals, SIGINT)
        unsafe sigaddset(&signals, SIGHUP)
        return signals
    }
}
