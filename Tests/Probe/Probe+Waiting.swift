import Foundation
import SharedMemory
import Synchronization
import TestSupport

extension Probe {
    func wait(
        _ access: ProbeCommand.Access, _ seconds: Double, _ interruption: ProbeCommand.Interruption
    ) throws {
        let segment = try attach(access)
        let version = try segment.version
        let timeout = Duration.seconds(seconds)
        Self.say("waiting after \(version)")
        do throws(SegmentError) {
            switch interruption {
            case .interruptibly:
                Self.say("ended \(try segment.waitInterruptibly(after: version, timeout: timeout))")
            case .ignored:
                Self.say("got \(try segment.wait(after: version, timeout: timeout)?.description ?? "nothing")")
            }
        } catch {
            Self.say("failed \(error)")
        }
    }

    func watch(_ access: ProbeCommand.Access, _ method: ProbeCommand.WatchMethod) throws {
        let segment = try attach(access)
        switch method {
        case .changes:
            let isDone = DispatchSemaphore(value: 0)
            Task {
                do {
                    for try await snapshot in segment.changes { Self.say("saw \(snapshot.version)") }
                } catch {
                    Self.say("failed \(error)")
                }
                isDone.signal()
            }
            isDone.wait()
        case .wait:
            var version = try segment.version
            Self.say("saw \(version)")
            while let next = try segment.wait(after: version) {
                Self.say("saw \(next)")
                version = next
            }
        }
    }

    // MARK: Signals

    private static let signalCount = Atomic<Int>(0)

    /// Counts the signals handled from now on, without SA_RESTART, so that a system call is interrupted.
    static func countSignals(_ number: CInt) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in Probe.signalCount.add(1, ordering: .relaxed) }
        sigaction(number, &action, nil)
    }

    func waitUnderSignals(
        _ access: ProbeCommand.Access, _ seconds: Double, _ interruption: ProbeCommand.Interruption
    ) throws {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let count = Probe.signalCount.add(1, ordering: .relaxed).newValue
            if count == 10 { Glibc.write(STDOUT_FILENO, "signalled\n", 10) }
        }
        sigaction(SIGALRM, &action, nil)
        Self.alarm(afterMicroseconds: 2000, repeats: true)
        try wait(access, seconds, interruption)
        Self.say("signals \(Self.signalCount.load(ordering: .relaxed))")
    }

    func signalsElsewhere() throws {
        let segment = try attach()
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let sent = [SIGUSR1, SIGTERM, SIGCHLD, SIGALRM, SIGURG]
        sent.forEach { Self.countSignals($0) }
        // This thread, which blocks all signals too, is one of them.
        let before = LibraryThreads.count
        let id = try segment.onReplacement(of: segment.version) {}
        for _ in 0..<100 { sent.forEach { kill(getpid(), $0) } }
        usleep(100_000)
        Self.say("threads \(LibraryThreads.count - before), handled \(Self.signalCount.load(ordering: .relaxed))")
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        Self.say("handled then \(Self.signalCount.load(ordering: .relaxed))")
        id.map(segment.cancel)
    }
}
