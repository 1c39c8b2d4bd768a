import LinuxSystem
import SharedMemoryHTTP
import Synchronization

extension ServiceManager {
    /// Tells the service manager from now on, as often as it asks for, that every event loop of a server turns.
    ///
    /// - Returns: nil if it does not ask for that.
    static func watch(_ server: Server) throws(SystemError) -> Repetition? {
        guard let limit = watchdogMilliseconds else { return nil }
        let before = Mutex<[Int]?>(nil)
        return try Repetition(named: "sharedmem alive", everyMilliseconds: max(1, limit / 3)) {
            let counts = server.turnCounts
            before.withLock { before in
                // A server that is stopping has fewer loops, and in the end none.
                let hasTurned =
                    before.map { $0.count != counts.count || zip($0, counts).allSatisfy { $0 != $1 } } ?? true
                if hasTurned { notify("WATCHDOG=1") }
                before = counts
            }
            server.wakeLoops()
        }
    }
}
