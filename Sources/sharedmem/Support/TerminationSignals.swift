internal import Glibc
import Synchronization

/// SIGINT, SIGTERM and SIGHUP: the first asks for the end, the second is the end.
enum TerminationSignals {
    private static let asked = Atomic(false)

    static var wereReceived: Bool { asked.load(ordering: .relaxed) }

    /// Has system calls that wait end when one comes, and writing to nobody fail instead of killing.
    static func handle() {
        // A static is initialized at its first use, which must not be the handler's.
        _ = wereReceived
        for signal in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(signal) {
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_handler = { signal in
                guard TerminationSignals.asked.exchange(true, ordering: .relaxed) else { return }
                Glibc.signal(signal, SIG_DFL)
                raise(signal)
            }
            unsafe sigaction(signal, &action, nil)
        }
        signal(SIGPIPE, SIG_IGN)
    }

    /// Whether the process was started so, as by nohup(1) or in the background of a script.
    private static func isIgnored(_ signal: CInt) -> Bool {
        var action = sigaction()
        unsafe sigaction(signal, nil, &action)
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
