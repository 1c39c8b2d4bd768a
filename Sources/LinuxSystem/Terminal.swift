internal import CLinux
internal import Glibc

/// The terminal of this process as a screen of its own, where keys are read as they are pressed.
///
/// The terminal is as it was before whenever this process is stopped, and at the end of this value's life.
package struct Terminal: ~Copyable {
    private let signals: CInt
    private let settings: termios
    private var isEntered = false

    package enum Event: Equatable, Sendable {
        case key(UInt8)
        /// The window has another size, or what it shows is lost.
        case redraw
        /// A signal asks this process to end, or the terminal has gone.
        case end
    }

    private static let handled = [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT]

    /// - Throws: `ENOTTY` if standard input is not a terminal.
    package init() throws(SystemError) {
        var settings = termios()
        try systemCall("tcgetattr") { negatedErrno(unsafe tcgetattr(STDIN_FILENO, &settings)) }
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for signal in Self.handled { unsafe sigaddset(&signals, signal) }
        let descriptor = try systemCall("signalfd") {
            negatedErrno(unsafe signalfd(-1, &signals, CInt(SFD_CLOEXEC | SFD_NONBLOCK)))
        }
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        (self.settings, self.signals) = (settings, descriptor)
        enter()
    }

    deinit {
        Self.leave(settings, isEntered)
        close(signals)
    }

    /// The number of rows and columns; that of the smallest common terminal if it is not known.
    package static var size: (rows: Int, columns: Int) {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
            return (24, 80)
        }
        return (Int(size.ws_row), Int(size.ws_col))
    }

    // MARK: The screen

    private static let enterScreen = "\u{1b}[?1049h\u{1b}[?25l"
    private static let leaveScreen = "\u{1b}[?25h\u{1b}[?1049l"

    private mutating func enter() {
        var raw = settings
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        // In the background, this stops the process until it is in the foreground again.
        unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        try? ByteStream.standardOutput.write(Self.enterScreen)
        isEntered = true
    }

    private static func leave(_ settings: termios, _ isEntered: Bool) {
        // In the background, the terminal belongs to another program.
        guard isEntered, tcgetpgrp(STDIN_FILENO) == getpgrp() else { return }
        var settings = settings
        try? ByteStream.standardOutput.write(leaveScreen)
        unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
    }

    /// Stops this process, as the terminal would have, until it is continued.
    private mutating func suspend() {
        Self.leave(settings, isEntered)
        isEntered = false
        var stop = sigset_t()
        unsafe sigemptyset(&stop)
        unsafe sigaddset(&stop, SIGTSTP)
        raise(SIGTSTP)
        unsafe pthread_sigmask(SIG_UNBLOCK, &stop, nil)
        unsafe pthread_sigmask(SIG_BLOCK, &stop, nil)
        enter()
    }

    // MARK: Events

    /// Waits for a key or a signal.
    ///
    /// - Returns: nil if the time is up.
    package mutating func event(timeoutMilliseconds: CInt) -> Event? {
        var polls = [signals, STDIN_FILENO].map { pollfd(fd: $0, events: CShort(POLLIN), revents: 0) }
        guard unsafe poll(&polls, 2, timeoutMilliseconds) > 0 else { return nil }
        if polls[0].revents != 0, let signal = nextSignal() { return event(of: signal) }
        guard polls[1].revents != 0 else { return nil }
        var key: UInt8 = 0
        return unsafe read(STDIN_FILENO, &key, 1) == 1 ? .key(key) : .end
    }

    private func nextSignal() -> CInt? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        return unsafe read(signals, &info, size) == size ? CInt(info.ssi_signo) : nil
    }

    private mutating func event(of signal: CInt) -> Event {
        switch signal {
        case SIGTSTP:
            suspend()
            return .redraw
        case SIGCONT:
            // After SIGSTOP, the shell has the terminal as it likes it.
            enter()
            return .redraw
        case SIGWINCH: return .redraw
        default: return .end
        }
    }
}
