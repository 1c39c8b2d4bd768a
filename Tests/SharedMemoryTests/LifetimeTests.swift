import Foundation
import LinuxSystem
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

@Suite("Lifetime", .fewAtATime)
struct LifetimeTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    func attach(_ lifetime: Lifetime = .whileAttached, access: Access = .readWrite) throws -> Segment {
        try Segment.attach(
            name, AttachmentOptions(access: access, lifetime: lifetime, directory: directory.path))
    }

    func probe(_ command: ProbeCommand) throws -> ChildProcess { try ChildProcess.probe(command, directory, name) }

    /// Leaves a whole file behind, without attachments, as a killed process does.
    func leaveBehind(_ lifetime: Lifetime = .whileAttached) async throws -> Version {
        let child = try probe(.hold(lifetime == .persistent ? .persistent : .whileAttached))
        let version = try #require(Version(try await child.line(beginning: "attached ")))
        try Segment.attach(name, AttachmentOptions(directory: directory.path)).set("left behind")
        child.kill()
        _ = try await child.finish()
        return version
    }

    @Test("A whileAttached segment ends when the last process detaches, and the next one is created empty")
    func endsWithTheLast() throws {
        var first: Segment? = try attach()
        var second: Segment? = try attach()
        let version = try first?.set("x")
        first = nil
        #expect(try second?.get() == "x")
        #expect(try directory.names == ["text.sharedmem"])
        second = nil
        #expect(try directory.names == [])
        let again = try attach()
        #expect(try again.get() == "")
        #expect(try again.version.instance != version?.instance)
    }

    @Test("A persistent segment outlives all processes, and asking for persistence once is enough")
    func persistentStays() throws {
        var first: Segment? = try attach()
        let version = try first?.set("x")
        do { _ = try attach(.persistent) }
        first = nil
        #expect(try Segment.read(name, directory: directory.path).text == "x")
        #expect(try attach().snapshot().version == version)
        #expect(try Segment.info(name, directory: directory.path).lifetime == .persistent)
        try Segment.unlink(name, directory: directory.path)
        #expect(try directory.names == [])
    }

    @Test("The leftover of a killed last process is not found, and the next attach replaces it with an empty segment")
    func leftoverIsReplaced() async throws {
        let version = try await leaveBehind()
        #expect(try directory.names == ["text.sharedmem"])
        #expect(throws: SegmentError.self) { try Segment.read(name, directory: directory.path) }
        #expect(throws: SegmentError.self) { try attach(access: .readOnly) }
        #expect(try Segment.list(directory: directory.path) == [])
        let segment = try attach()
        #expect(try segment.get() == "")
        #expect(try segment.version.instance != version.instance)
    }

    @Test("A leftover of another capacity is replaced too")
    func leftoverOfAnotherCapacity() async throws {
        _ = try await leaveBehind()
        let segment = try Segment.attach(name, AttachmentOptions(capacity: 5000, directory: directory.path))
        #expect(try segment.capacity == 5000)
        #expect(try segment.get() == "")
    }

    @Test("A leftover that another process is about to remove is not read")
    func leftoverUnderExclusiveLock() async throws {
        _ = try await leaveBehind()
        let file = try FileDescriptor.open(directory.path(of: name), .readWrite)
        #expect(try file.tryLockExclusive(byte: Layout.lifetimeLock))
        #expect(throws: SegmentError.self) { try Segment.read(name, directory: directory.path) }
        #expect(throws: SegmentError.self) { try attach(access: .readOnly) }
        #expect(try Segment.list(directory: directory.path) == [])
        extendLifetime(file)
    }

    @Test("A leftover that only another user can remove is an error that names that user", .enabled(if: geteuid() == 0))
    func leftoverOfAnotherUser() async throws {
        do {
            let child = try ChildProcess.probe(.hold(), directory, name)
            _ = try await child.line(beginning: "attached ")
            child.kill()
            _ = try await child.finish()
        }
        chmod(directory.path(of: name), 0o666)
        chmod(directory.path, 0o1777)
        let result = try await probe(.attachAs(user: 12_345)).finish()
        #expect(result.status == 1, "\(result.text)")
        #expect(result.errors == "\(SegmentError.leftBehind(path: directory.path(of: name), owner: 0))\n")
        #expect(try attach().get() == "")
    }

    @Test("The last process to leave may be attached read-only")
    func readerLeavesLast() throws {
        var writer: Segment? = try attach()
        var reader: Segment? = try attach(access: .readOnly)
        try writer?.set("x")
        writer = nil
        #expect(try reader?.get() == "x")
        #expect(try attach().get() == "x")
        reader = nil
        #expect(try directory.names == [])
    }

    @Test("exit(3) in a signal handler that interrupts attaching does not hang")
    func exitInHandler() async throws {
        for microseconds in stride(from: 500, to: 12_500, by: 500) {
            let child = try probe(.exitInHandler(afterMicroseconds: microseconds))
            let result = try await child.finish(within: 20)
            #expect(result.status == 0 && !result.wasKilled, "\(microseconds): \(result.errors)")
        }
    }

    @Test("A child that is forked while other threads attach, detach, list and unlink has no segment open")
    func forkBeside() async throws {
        let result = try await probe(.forkBeside(childCount: 1000)).finish(within: 120)
        #expect(result.text == "with locks: 0\n", "\(result.errors)")
    }

    @Test("A persistent text outlives the killing of every attached process")
    func persistentOutlivesKill() async throws {
        let version = try await leaveBehind(.persistent)
        #expect(try Segment.read(name, directory: directory.path).text == "left behind")
        #expect(try attach().version == Version(instance: version.instance, number: version.number + 1))
    }

    @Test("exit(3) while attached ends a whileAttached segment, like detaching")
    func exitEnds() async throws {
        let child = try probe(.exitAttached)
        #expect(try await child.finish().status == 0)
        #expect(try directory.names == [])
    }

    @Test("A reader that comes before the creator gets an error that lists the other segments")
    func readerBeforeCreator() throws {
        let other = try Segment.attach("other", AttachmentOptions(directory: directory.path))
        let error = SegmentError.notFound(name: name, directory: directory.path, found: ["other"])
        #expect(throws: error) { try attach(access: .readOnly) }
        #expect(throws: error) { try Segment.read(name, directory: directory.path) }
        #expect(throws: error) {
            try Segment.attach(name, AttachmentOptions(directory: directory.path, creates: false))
        }
        #expect(throws: error) { try Segment.unlink(name, directory: directory.path) }
        let segment = try attach()
        #expect(try attach(access: .readOnly).get() == "")
        extendLifetime((other, segment))
    }

    @Test("Two last attachments that end at once leave nothing behind, 1,000 times")
    func twoLastDetachers() async throws {
        for round in 0..<1000 {
            let keepers = [Keeper(try attach()), Keeper(try attach())]
            let barrier = Barrier(count: keepers.count)
            await withTaskGroup { group in
                for keeper in keepers {
                    group.addTask {
                        barrier.pass()
                        keeper.letGo()
                    }
                }
            }
            #expect(try directory.names == [], "round \(round)")
        }
    }

    @Test("Processes that attach to a leftover at once end up with one new segment, 20 times")
    func attachersAtLeftover() async throws {
        for _ in 0..<20 {
            let old = try await leaveBehind()
            let segments = try await withThrowingTaskGroup(of: Segment.self) { group in
                for _ in 0..<8 { group.addTask { try attach() } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let versions = Set(try segments.map { try $0.version })
            #expect(versions.count == 1)
            #expect(versions.first?.instance != old.instance)
            #expect(versions.first?.number == 0)
        }
    }

    @Test("Attaching, detaching and unlinking at once never mixes two segments, and leaves none behind")
    func unlinkBesideAttachAndDetach() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<300 {
                        let segment = try attach()
                        do throws(SegmentError) {
                            let version = try segment.set("x")
                            #expect(try segment.version.instance == version.instance)
                            #expect(try segment.get() == "x")
                        } catch {
                            guard case .unlinked = error else { throw error }
                        }
                    }
                }
            }
            group.addTask {
                for _ in 0..<300 {
                    do throws(SegmentError) {
                        try Segment.unlink(name, directory: directory.path)
                    } catch {
                        guard case .notFound = error else { throw error }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try directory.names == [])
    }

    @Test("Attached processes keep an unlinked segment and learn that it is unlinked; the next process gets a new one")
    func unlink() throws {
        let segment = try attach(.persistent)
        try segment.set("old")
        #expect(try !segment.isUnlinked)
        try Segment.unlink(name, directory: directory.path)
        #expect(try segment.isUnlinked)
        let next = try attach()
        #expect(try segment.isUnlinked)
        #expect(try next.get() == "")
        #expect(try segment.get() == "old")
        #expect(try next.get() == "")
    }

    @Test("A thousand processes that create a segment at once end up with one empty segment")
    func thousandCreators() async throws {
        let gate = "\(directory.path)/gate"
        #expect(mkfifo(gate, 0o600) == 0)
        let script = """
            for i in $(seq 1000); do "$1" "$2" \(name) create-at-once "$3" >>"$2/output" 2>>"$2/errors" & done
            echo started; wait; echo ended
            """
        let shell = try ChildProcess(
            "/bin/sh", ["-c", script, "sh", ProbeCommand.executable, directory.path, gate])
        _ = try await shell.line(beginning: "started", within: 60)
        // Opened for writing while any child still has to come, it lets each through.
        let writer = open(gate, O_RDWR)
        defer { close(writer) }
        _ = try await shell.line(beginning: "ended", within: 240)
        let lines = try String(contentsOfFile: "\(directory.path)/output", encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 1000)
        #expect(Set(lines).count == 1)
        #expect(lines.first?.hasSuffix("-0") == true)
        #expect(try String(contentsOfFile: "\(directory.path)/errors", encoding: .utf8) == "")
        try Segment.unlink(name, directory: directory.path)
    }
}

/// Keeps a segment attached until it is told to detach.
private final class Keeper: Sendable {
    private let segment: Mutex<Segment?>

    init(_ segment: Segment) { self.segment = Mutex(segment) }

    func letGo() { segment.withLock { $0 = nil } }
}

/// Lets threads go on at the same moment, once all have come, or after a bounded spin.
private final class Barrier: Sendable {
    private let count: Int
    private let arrivedCount = Atomic(0)

    init(count: Int) { self.count = count }

    func pass() {
        arrivedCount.add(1, ordering: .relaxed)
        var spins = 0
        while arrivedCount.load(ordering: .relaxed) < count, spins < 100_000 { spins += 1 }
    }
}
