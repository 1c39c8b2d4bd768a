import Foundation
import LinuxSystem
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

@Suite("Attachments", .fewAtATime)
struct AttachmentTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    func options(
        access: Access = .readWrite, mode: UInt32 = 0o600, capacity: Int? = nil, sharing: Bool = true
    ) -> AttachmentOptions {
        var options = AttachmentOptions(
            access: access, capacity: capacity, rowCount: 126, pinCount: 64, directory: directory.path, mode: mode)
        options.sharesAttachment = sharing
        return options
    }

    func attach(
        access: Access = .readWrite, mode: UInt32 = 0o600, capacity: Int? = nil, sharing: Bool = true
    ) throws -> Segment {
        try Segment.attach(name, options(access: access, mode: mode, capacity: capacity, sharing: sharing))
    }

    func probe(_ command: ProbeCommand) throws -> ChildProcess { try ChildProcess.probe(command, directory, name) }

    func info() throws -> SegmentInfo { try Segment.info(name, directory: directory.path) }

    @Test("When all rows are taken, others read copies and set as before, and a freed row is taken again")
    func allRowsTaken() throws {
        var segments = try (0..<124).map { _ in
            let segment = try attach(sharing: false)
            try segment.set("x")
            return segment
        }
        #expect(try info().attached.map(\.row) == Array(0..<124))
        let late = try attach(sharing: false)
        #expect(try late.get() == "x")
        #expect(try late.borrow().token.isPin == true)
        let latest = try attach(sharing: false)
        #expect(try latest.borrow().token.isPin == false, "one row is reserved")
        for round in 0..<1000 {
            try latest.set("\(round)")
            #expect(try latest.get() == "\(round)")
            #expect(try segments[round % 124].get() == "\(round)")
        }
        #expect(try info().attached.count == 125, "the reserved row was only borrowed")
        var operatorsOptions = options(sharing: false)
        operatorsOptions.isOperator = true
        let operators = try Segment.attach(name, operatorsOptions)
        #expect(try operators.borrow().token.isPin == true)
        #expect(try info().attached.map(\.row) == Array(0..<126))
        #expect(throws: SegmentError.busy(doing: "setting 'text'")) { try latest.set("in vain") }
        segments.remove(at: 60)
        try latest.set("y")
        #expect(try info().attached.map(\.row) == Array(0..<126))
        #expect(try latest.borrow().token.isPin == true)
        extendLifetime((segments, late, operators))
    }

    @Test("Info lists the attached processes, when they attached, and the memory in use")
    func infoOfProcesses() async throws {
        let segment = try attach(mode: 0o640, capacity: 5000)
        let version = try segment.set("hello")
        let child = try probe(.hold())
        _ = try await child.line(beginning: "attached ")
        let info = try info()
        #expect(info.name == name)
        #expect(info.path == segment.path)
        #expect(info.capacity == 5000)
        #expect(info.byteCount == 5)
        #expect(info.version == version)
        #expect(info.lifetime == .whileAttached)
        #expect(info.mode == 0o640)
        #expect(info.owner == geteuid())
        #expect(info.creationTime <= info.publicationTime)
        #expect(info.memoryByteCount == SegmentFormat.memoryByteCount + 4096)
        #expect(info.pinCount == 0)
        #expect(info.attached.map(\.processID) == [Int(getpid()), Int(child.processID)])
        #expect(info.attached[1].program == "probe")
        child.kill()
        _ = try await child.finish()
        #expect(try self.info().attached.map(\.processID) == [Int(getpid())])
    }

    @Test("Asking for no capacity gives the segment's own, and asking for another one is an error")
    func capacityMismatch() throws {
        let segment = try attach(capacity: 100)
        #expect(try attach().capacity == 100)
        #expect(try attach(capacity: 100).capacity == 100)
        #expect(throws: SegmentError.capacityMismatch(name: name, capacity: 100, requested: 200)) {
            try attach(capacity: 200)
        }
        extendLifetime(segment)
    }

    @Test("With all 64 pins held, reads and sets go on, and the pins are free again once their holder is killed")
    func allPinsTaken() async throws {
        let segment = try attach()
        try segment.set("pinned")
        let child = try probe(.holdPins(count: 64))
        _ = try await eventually("64 pins") { try info().pinCount == 64 ? true : nil }
        for round in 0..<400 {
            let text = String(repeating: "r\(round)", count: 1 + round * 13)
            try segment.set(text)
            #expect(try segment.get() == text)
            #expect(try segment.withBytes { $0.byteCount } == text.utf8.count)
            #expect(try segment.snapshot().text == text)
        }
        child.kill()
        _ = try await child.finish()
        #expect(try info().pinCount == 0, "a dead one's pins do not count")
        _ = try await eventually("a pin") {
            try segment.withBytes { _ in try info().pinCount } == 1 ? true : nil
        }
    }

    @Test("The claims of a killed process are reclaimed, even if they are on every free slot")
    func claimsOfTheDead() async throws {
        let segment = try attach()
        try segment.set("before")
        let child = try probe(.hold())
        _ = try await child.line(beginning: "attached ")
        let row = try #require(try info().attached.last?.row)
        let file = try FileDescriptor.open(segment.path, .readWrite)
        let geometry = Geometry(capacity: 1 << 20, rowCount: 126, pinCount: 64)
        let mapping = try SegmentMapping(file, geometry, writable: true)
        let view = mapping.view
        for slot in 0..<geometry.slotCount {
            view.slots[slot].claim.store(SegmentView.mark(ofRow: row), ordering: .sequentiallyConsistent)
        }
        // While their owner lives they are respected.
        #expect(throws: SegmentError.busy(doing: "setting 'text'")) { try segment.set("in vain") }
        child.kill()
        _ = try await child.finish()
        _ = try await eventually("a set") { try? segment.set("after") }
        #expect(try segment.get() == "after")
        #expect((0..<geometry.slotCount).allSatisfy { view.slots[$0].claim.load(ordering: .relaxed) == 0 })
        extendLifetime(mapping)
    }

    @Test(
        "Processes with equal ids in two PID namespaces are told apart, and the end of one does not affect the other",
        .enabled("makes PID namespaces") { await PIDNamespace.isPermitted() })
    func equalProcessIDs() async throws {
        let children = try (0..<2).map { _ in
            try PIDNamespace.start(ProbeCommand.executable, ProbeCommand.hold().arguments(directory.path, name))
        }
        for child in children { _ = try await child.line(beginning: "attached ") }
        #expect(try info().attached.map(\.processID) == [1, 1])
        let segment = try attach()
        try segment.set("before")
        let rows = try info().attached.map(\.row)
        children[0].kill()
        _ = try await children[0].finish()
        let left = try await eventually("one row less") {
            let left = try info().attached.map(\.row)
            return left.count == rows.count - 1 ? left : nil
        }
        let next = try attach(sharing: false)
        try next.takeRow()
        #expect(try Set(info().attached.map(\.row)) == Set(rows))
        #expect(left.count == 2)
        try next.set("after")
        #expect(try segment.get() == "after")
        #expect(try await children[1].finish().status == 0)
    }

    @Test("A process that locks its memory does not fill the tmpfs")
    func lockedMemory() async throws {
        let result = try await probe(.lockMemory).finish()
        #expect(
            ["memory \(SegmentFormat.memoryByteCount + 4096)\n", "not permitted\n"].contains(result.text),
            "\(result.text)\(result.errors)")
    }

    @Test("Attaching without free descriptors is an error, and leaves nothing behind")
    func noDescriptors() async throws {
        let script = "ulimit -n \"$4\"; exec \"$1\" \"$2\" \"$3\" set x"
        for limit in 4...6 {
            let result = try await ChildProcess.run(
                "/bin/bash",
                ["-c", script, "bash", ProbeCommand.executable, directory.path, name, "\(limit)"])
            if result.status != 0 {
                #expect(result.status == 1 && result.errors.contains("Too many open files"), "\(result.errors)")
            }
            #expect(try directory.names == [])
        }
    }

    @Test("A borrow does not change while more sets run than there are slots")
    func borrowIsStable() async throws {
        let segment = try attach()
        try segment.set("borrowed and kept")
        let child = try probe(.borrow)
        #expect(try await child.line(beginning: "borrowed ") == "17")
        for round in 0..<1000 { try segment.set("another text, number \(round)") }
        try child.write(Data("\n".utf8))
        #expect(try await child.line(beginning: "unchanged ") == "true")
        #expect(try await child.finish().status == 0)
    }

    @Test("A borrow in this process does not change under sets of the same attachment")
    func borrowAcrossOwnSets() throws {
        let segment = try attach()
        try segment.set("first")
        try segment.withText { text in
            for round in 0..<500 { try segment.set("\(round)") }
            #expect(String(copying: text) == "first")
            #expect(try segment.get() == "499")
        }
    }

    @Test("A million sets take no more memory than the ring of slots in use")
    func memoryIsBounded() throws {
        let segment = try attach()
        for round in 0..<1_000_000 { try segment.set(round % 2 == 0 ? "even" : "odd") }
        #expect(try segment.version.number == 1_000_000)
        #expect(try info().memoryByteCount <= SegmentFormat.memoryByteCount + 8 * 4096)
    }

    @Test("A thousand attachments that come and go while another one reads leave no descriptor or mapping behind")
    func attachAndDetach() throws {
        let segment = try attach()
        try segment.set("x")
        _ = try attach()
        let before = try openFiles()
        for _ in 0..<1000 {
            let other = try attach()
            #expect(try other.get() == "x")
            try other.set("x")
        }
        #expect(try openFiles() == before)
        #expect(try info().attached.count == 1)
    }

    /// The process's descriptors and mappings of this test's segments.
    private func openFiles() throws -> [String] {
        let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
        }
        let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n").map(
            String.init)
        return (descriptors + maps).filter { $0.contains(directory.path) }
            .map { String($0.split(separator: " ").last ?? "") }.sorted()
    }
}
