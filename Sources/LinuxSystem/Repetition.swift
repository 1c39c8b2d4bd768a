import Synchronization

/// Calls back again and again, from a thread of its own.
package final class Repetition: Sendable {
    private let end: EventDescriptor
    private let thread = Mutex<BackgroundThread?>(nil)

    package init(
        named name: StaticString, everyMilliseconds period: Int, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        end = try EventDescriptor()
        let repetition = unsafe Unmanaged.passUnretained(self)
        let started = try BackgroundThread(named: name) {
            unsafe repetition._withUnsafeGuaranteedRef { repetition in
                repeat { body() } while !repetition.end.wait(timeoutMilliseconds: CInt(clamping: period))
            }
        }
        thread.withLock { $0 = started }
    }

    deinit { stop() }

    /// Ends the thread, after the call that is under way.
    package func stop() {
        end.signal()
        thread.withLock { $0 }?.join()
    }
}
