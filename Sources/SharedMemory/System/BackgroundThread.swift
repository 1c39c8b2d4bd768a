import CLinux
internal import Glibc

/// A thread of this library's own: it handles none of the process's signals.
package struct BackgroundThread: Sendable {
    private let thread: pthread_t

    /// - Parameter name: what tools show of it; 15 bytes at most.
    /// - Throws: ``SegmentError/system(call:code:)`` when the system has none to give.
    package init(named name: StaticString, _ body: @escaping @Sendable () -> Void) throws(SegmentError) {
        final class Body: Sendable {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
        let context = unsafe Unmanaged.passRetained(
            Body {
                unsafe clinux_name_thread(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
                body()
            })
        // The thread inherits the mask it is created under.
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        // But for those that say that the thread itself has done wrong.
        for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] { unsafe sigdelset(&all, fault) }
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                if let context = unsafe context {
                    let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                    body.run()
                }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            unsafe context.release()
            throw .system(call: "pthread_create", code: code)
        }
        self.thread = thread
    }

    /// Has the calling thread run behind others where processors are short.
    package static func lowerPriority() {
        // Linux takes 0 for the thread, not for its process.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
    }

    package var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Waits for its end.
    package func join() { pthread_join(thread, nil) }

    /// Lets it end unwatched.
    package func detach() { pthread_detach(thread) }
}
