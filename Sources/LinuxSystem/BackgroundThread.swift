internal import CLinux
internal import Glibc
internal import Synchronization

/// A thread that belongs to this library and handles none of the process's signals.
///
/// A thread that nothing refers to any more runs on until its body returns.
package final class BackgroundThread: Sendable {
    private let thread: pthread_t
    /// Whether the thread has been joined or detached, which can be done once.
    private let isReleased = Atomic(false)

    /// - Parameters:
    ///   - name: the name that debuggers and `ps` show, at most 15 bytes.
    ///   - body: runs in the new thread.
    package init(named name: StaticString, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        final class Body: Sendable {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
        let context = unsafe Unmanaged.passRetained(
            Body {
                unsafe clinux_name_thread(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
                body()
            })
        // A thread inherits the signal mask of the thread that creates it.
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        // Not blocked: the signals that report a fault of the thread itself.
        for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] { unsafe sigdelset(&all, fault) }
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                if let context = unsafe context { unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            unsafe context.release()
            throw SystemError(call: "pthread_create", code: code)
        }
        self.thread = thread
    }

    deinit { release(joining: false) }

    /// Whether this is the calling thread.
    package var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Waits for the thread to end.
    ///
    /// Only the first call does, and only if it is not made by the thread itself; then the thread ends on its own.
    package func join() { release(joining: !isCurrent) }

    private func release(joining: Bool) {
        guard !isReleased.exchange(true, ordering: .relaxed) else { return }
        _ = joining ? pthread_join(thread, nil) : pthread_detach(thread)
    }

    /// Has the calling thread run behind others when processors are short.
    package static func lowerPriority() {
        // On Linux, 0 is the calling thread and not its process.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
    }

    /// Has the calling thread sleep for about this time.
    ///
    /// - Returns: false if a signal was handled and ended the sleep early.
    @discardableResult
    package static func pause(milliseconds: Int = 1) -> Bool { usleep(useconds_t(milliseconds) * 1000) == 0 }
}
