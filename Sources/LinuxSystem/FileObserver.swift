import Synchronization

/// Calls back from a thread of its own, once at first and then whenever something may have happened to a file.
package final class FileObserver: Sendable {
    private let watch: FileWatch
    private let end: EventDescriptor
    private let thread = Mutex<BackgroundThread?>(nil)

    package init(_ path: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        end = try EventDescriptor()
        watch = try FileWatch(path)
        let observer = unsafe Unmanaged.passUnretained(self)
        let started = try BackgroundThread(named: "sharedmem files") {
            unsafe observer._withUnsafeGuaranteedRef { observer in
                repeat {
                    body()
                    // However often its directory changes.
                    BackgroundThread.pause(milliseconds: 20)
                } while observer.watch.wait(orUntil: observer.end)
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
