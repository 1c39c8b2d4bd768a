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

    /// Holds SIGTERM and SIGINT back for ``wait()``, in this thread and all that it will start.
    ///
    /// Writing to a pipe without a reader becomes an error.
    package static func block() {
        var signals = awaited
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Waits for the first blocked signal; the next one ends the process.
    package static func wait() {
        var signals = awaited
        var signal: CInt = 0
        unsafe sigwait(&signals, &signal)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    private static var awaited: sigset_t {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe sigaddset(&signals, SIGINT)
        return signals
    }
}
