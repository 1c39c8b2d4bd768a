import LinuxSystem
import SharedMemoryHTTP
import Synchronization

extension ServiceManager {
    /// Starts to notify the service manager's watchdog as long as every event loop of a server turns.
    ///
    /// - Returns: nil if the service manager has no watchdog for this process.
    static func watch(_ server: Server) throws(SystemError) -> BackgroundLoop? {
        guard let limit = watchdogMilliseconds else { return nil }
        let before = Mutex<[Int]?>(nil)
        return try BackgroundLoop(named: "sharedmem alive", everyMilliseconds: max(1, limit / 3)) {
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
