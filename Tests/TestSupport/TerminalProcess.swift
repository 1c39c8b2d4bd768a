import Foundation
import Synchronization

/// A process on a pseudo-terminal of its own, which a test reads and types on; killed when the test releases it.
public final class TerminalProcess: Sendable {
    public let processID: pid_t
    private let master: CInt
    private let received = Mutex(Data())
    private let status = Mutex<CInt?>(nil)

    public init(
        _ words: [String], environment: [String: String] = [:], rows: UInt16 = 24, columns: UInt16 = 80
    ) throws {
        var (master, slave): (CInt, CInt) = (-1, -1)
        var name = [CChar](repeating: 0, count: 128)
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&master, &slave, &name, nil, &size) == 0 else { throw SystemFailure(description: "openpty") }
        self.master = master
        defer { close(slave) }
        for descriptor in [master, slave] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(master, F_SETFL, O_NONBLOCK)

        let variables = ProcessInfo.processInfo.environment.filter { $0.key != "NO_COLOR" }
            .merging(["TERM": "xterm"]) { $1 }.merging(environment) { $1 }
        do {
            processID = try spawn(words, environment: variables, leadsSession: true) { actions in
                // The leader of a session gets the terminal that it opens first as its own.
                posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
                for number in 1...2 { posix_spawn_file_actions_adddup2(&actions, 0, CInt(number)) }
            }
        } catch {
            close(master)
            throw error
        }
    }

    deinit {
        if endStatus == nil {
            kill(-processID, SIGKILL)
            kill(processID, SIGKILL)
            waitpid(processID, nil, 0)
        }
        close(master)
    }

    public func send(_ signal: CInt) { kill(processID, signal) }

    public func type(_ text: String) { _ = write(master, text, text.utf8.count) }

    public func resize(rows: UInt16, columns: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    /// Whether the terminal waits for whole lines and shows what is typed, as it does for a shell.
    public var isCooked: Bool {
        var settings = termios()
        tcgetattr(master, &settings)
        return settings.c_lflag & tcflag_t(ICANON | ECHO) == tcflag_t(ICANON | ECHO)
    }

    /// Everything that was written to the terminal so far.
    public var output: String {
        received.withLock { received in
            var part = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(master, &part, part.count)
                if count <= 0 { break }
                received += part[..<count]
            }
            return String(decoding: received, as: UTF8.self)
        }
    }

    /// Waits until what was written after the first `start` characters contains this text.
    public func shows(_ text: String, after start: Int = 0, within seconds: Double = 60) async throws {
        do {
            try await eventually("'\(text)'", within: seconds) {
                self.output.dropFirst(start).contains(text) ? () : nil
            }
        } catch let error as TimeIsUp {
            throw TimeIsUp(description: "\(error.description); the terminal shows: \(output.debugDescription)")
        }
    }

    /// Waits for its end, and returns its exit status, or 128 and the signal that killed it.
    public func end(within seconds: Double = 60) async throws -> Int32 {
        let status = try await eventually("the end of the process on the terminal", within: seconds) {
            _ = self.output
            return self.endStatus
        }
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }

    private var endStatus: CInt? {
        status.withLock { known in
            var status: CInt = 0
            if known == nil, waitpid(processID, &status, WNOHANG) == processID { known = status }
            return known
        }
    }
}
