import Foundation
import SharedMemory
import TestSupport

extension Probe {
    func hold(_ lifetime: ProbeCommand.Lifetime) throws {
        let options = options(.readWrite, lifetime == .persistent ? .persistent : .whileAttached)
        let segment = try Segment.attach(name, options)
        try segment.takeRow()
        Self.say("attached \(try segment.version)")
        Self.waitForEndOfInput()
        extendLifetime(segment)
    }

    func createAtOnce(_ gate: String) throws {
        close(open(gate, O_RDONLY))
        while true {
            do throws(SegmentError) {
                let segment = try Segment.attach(name, options(.readWrite, .persistent))
                return Self.say("\(try segment.version)")
            } catch {
                // A thousand processes are more than can attach within a second.
                guard case .busy = error else { throw error }
            }
        }
    }

    func follow() throws {
        let segment = try SegmentFollower(name, options(), fallsBackToReadOnly: true).attach()
        Self.say(try segment.get())
        do throws(SegmentError) {
            try segment.set("x")
        } catch {
            guard case .readOnly = error else { throw error }
        }
    }

    func exitAttached() throws {
        let segment = try attach()
        try segment.set("to the end")
        Self.say("attached")
        exit(0)
    }

    func exitInHandler(afterMicroseconds microseconds: Int) throws {
        signal(SIGALRM) { _ in exit(0) }
        Self.alarm(afterMicroseconds: microseconds)
        while true { try attach().set("x") }
    }

    func forkBeside(_ childCount: Int) throws {
        for index in 0..<3 {
            let name = "\(name)\(index)"
            Thread.detachNewThread { [directory] in
                let options = AttachmentOptions(lifetime: .persistent, directory: directory)
                while true {
                    _ = try? Segment.attach(name, options).set("x")
                    _ = try? Segment.list(directory: directory)
                    try? Segment.unlink(name, directory: directory)
                }
            }
        }
        let count = try (0..<childCount).count { _ in try childHasLock() }
        Self.say("with locks: \(count)")
        exit(0)
    }

    /// Whether a forked child shares any open file description that has a lock, or may get one.
    private func childHasLock() throws -> Bool {
        let child = forkProcess()
        if child == 0 { while true { raise(SIGSTOP) } }
        // Once it has stopped, everything that the library does in a forked child is done.
        waitpid(child, nil, WUNTRACED)
        defer {
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
        }
        return try FileManager.default.contentsOfDirectory(atPath: "/proc/\(child)/fd").contains { descriptor in
            let file = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(child)/fd/\(descriptor)")
            let info = try String(contentsOfFile: "/proc/\(child)/fdinfo/\(descriptor)", encoding: .utf8)
            // A descriptor that may write is its parent's; what the child gets in its place only reads.
            let flags = info.split(separator: "\n").first { $0.hasPrefix("flags:") }?.last
            return file?.contains(directory + "/") == true && (info.contains("lock:") || flags != "0")
        }
    }

    func attachAs(_ user: uid_t) throws {
        guard setuid(user) == 0 else { return Self.say("not permitted") }
        _ = try attach()
        Self.say("attached")
    }

    func lockMemory() throws {
        guard mlockall(CInt(MCL_CURRENT | MCL_FUTURE)) == 0 else { return Self.say("not permitted") }
        let segment = try attach()
        try segment.set("x")
        Self.say("memory \(try Segment.info(name, directory: directory).memoryByteCount)")
        extendLifetime(segment)
    }
}

/// Swift hides `fork`, which these tests need.
@_silgen_name("fork") private func forkProcess() -> pid_t
