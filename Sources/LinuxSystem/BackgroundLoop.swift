import Synchronization

/// Takes turns in a thread of its own until it is stopped, at the latest when nothing refers to it any more.
package final class BackgroundLoop: Sendable {
    private let end: EventDescriptor
    private let thread = Mutex<BackgroundThread?>(nil)

    /// - Parameter turn: does what there is to do, waits for the next turn or for `end`, and returns false after `end`.
    package init(
        named name: StaticString, turn: @escaping @Sendable (_ end: borrowing EventDescriptor) -> Bool
    ) throws(SystemError) {
        end = try EventDescriptor()
        let loop = unsafe Unmanaged.passUnretained(self)
        let started = try BackgroundThread(named: name) {
            unsafe loop._withUnsafeGuaranteedRef { loop in while turn(loop.end) {} }
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

extension BackgroundLoop {
    /// Calls back at once, and then every so many milliseconds.
    package convenience init(
        named name: StaticString, everyMilliseconds period: Int, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        try self.init(named: name) { end in
            body()
            return !end.wait(timeoutMilliseconds: CInt(clamping: period))
        }
    }

    /// Calls back at once, and then whenever something may have happened to one of the files.
    package convenience init(
        named name: StaticString, watching paths: [String], _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        let watch = try FileWatch(paths)
        try self.init(named: name) { end in
            body()
            // At most this often, however often the directories change.
            BackgroundThread.pause(milliseconds: 20)
            return watch.wait(orUntil: end)
        }
    }
}
