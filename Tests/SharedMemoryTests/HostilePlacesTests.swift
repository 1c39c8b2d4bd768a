import Foundation
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

@Suite("Hostile files and places", .fewAtATime)
struct HostilePlacesTests {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.path(of: name) }

    func attach(_ access: Access = .readWrite, trusting owners: Set<TrustedOwner> = []) throws -> Segment {
        try Segment.attach(
            name, AttachmentOptions(access: access, directory: directory.path, trustedOwners: owners))
    }

    /// Expects that every operation refuses the file in the segment's place, and leaves it there.
    func expectRefusal(_ reason: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let before = try FileManager.default.attributesOfItem(atPath: path) as NSDictionary
        for attempt in [
            { _ = try attach() }, { _ = try attach(.readOnly) },
            { _ = try Segment.read(name, directory: directory.path) },
        ] as [() throws -> Void] {
            let error = #expect(throws: SegmentError.self, sourceLocation: sourceLocation) { try attempt() }
            guard case .notASegment(path, let said) = error else {
                Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
                continue
            }
            #expect(said.contains(reason), sourceLocation: sourceLocation)
        }
        let after = try FileManager.default.attributesOfItem(atPath: path) as NSDictionary
        #expect(before == after, sourceLocation: sourceLocation)
    }

    /// Creates a persistent segment, detaches, and changes its bytes.
    func leaveBehind(changing change: (FileHandle) throws -> Void) throws {
        do {
            let segment = try Segment.attach(
                name, AttachmentOptions(lifetime: .persistent, directory: directory.path))
            try segment.set("before")
        }
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try change(file)
        try file.close()
    }

    let format = SegmentFormat()

    func write(_ bytes: some Sequence<UInt8>, at offset: UInt64, to file: FileHandle) throws {
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data(bytes))
    }

    @Test("A symbolic link is not followed")
    func symbolicLink() throws {
        let target = directory.path(of: "target")
        let other = try Segment.attach("target", AttachmentOptions(directory: directory.path))
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
        try expectRefusal("symbolic link")
        extendLifetime(other)
    }

    @Test("A FIFO makes no process wait")
    func fifo() throws {
        #expect(mkfifo(path, 0o600) == 0)
        try expectRefusal("not a regular file")
    }

    @Test("A directory is not opened")
    func directoryInPlace() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let error = #expect(throws: SegmentError.self) { try attach() }
        #expect(error == .notASegment(path: path, reason: "it is a directory"))
    }

    @Test("A file that is not a segment is left as it is", arguments: [0, 10, 64, 24_576, 100_000])
    func somethingElse(_ byteCount: Int) throws {
        try Data(repeating: 0x41, count: byteCount).write(to: URL(fileURLWithPath: path))
        try expectRefusal(byteCount < 80 ? "it has only \(byteCount) bytes" : "does not begin like a segment")
        let error = #expect(throws: SegmentError.self) { try Segment.unlink(name, directory: directory.path) }
        guard case .notASegment = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == byteCount)
    }

    @Test("Truncated and oversized segments are refused", arguments: [80, 4096, 24_576, 300_000, 500_000_000])
    func wrongSize(_ byteCount: Int) throws {
        try leaveBehind { try $0.truncate(atOffset: UInt64(byteCount)) }
        try expectRefusal("it has \(byteCount) bytes instead of \(Geometry(capacity: 1 << 20).fileByteCount)")
    }

    @Test(
        "An invalid header is refused",
        arguments: [
            (12, [9], "is invalid"), (16, [0, 0, 0, 0], "is invalid"),
            (16, [255, 255, 255, 255, 255, 255, 255, 255], "is invalid"), (16, [0, 0, 1, 0], "bytes instead of"),
            (56, [1], "features"), (64, [1, 0, 0, 0], "is invalid"), (64, [1, 64, 0, 0], "is invalid"),
            (68, [0, 0, 0, 0], "is invalid"), (68, [1, 64, 0, 0], "is invalid"),
            (68, [1, 4, 0, 0], "bytes instead of"),
            (72, [0, 0, 0, 0, 0, 0, 0, 1], "it is a copy of another segment's file"),
        ] as [(UInt64, [UInt8], String)])
    func wrongHeader(_ offset: UInt64, _ bytes: [UInt8], _ reason: String) throws {
        try leaveBehind { try write(bytes, at: offset, to: $0) }
        try expectRefusal(reason)
        // A segment that this library cannot use can still be removed.
        try Segment.unlink(name, directory: directory.path)
        #expect(try directory.names == [])
    }

    @Test(
        "A segment of another layout is refused with advice but not removed, and can be unlinked", arguments: [0, 1, 3])
    func otherLayout(_ version: Int) throws {
        try leaveBehind { try write([UInt8(version), 0, 0, 0], at: 8, to: $0) }
        let expected = SegmentError.otherLayout(path: path, version: version, ownVersion: 2)
        #expect(throws: expected) { try attach() }
        #expect(throws: expected) { try Segment.read(name, directory: directory.path) }
        #expect(expected.description.contains("sharedmem migrate") == (version < 2))
        #expect(try directory.names == ["text.sharedmem"])
        try Segment.unlink(name, directory: directory.path)
        #expect(try directory.names == [])
    }

    @Test("A segment of another boot is refused but not removed, and can be unlinked")
    func otherBoot() throws {
        try leaveBehind { try write([1, 2, 3, 4, 5, 6, 7, 8], at: 32, to: $0) }
        #expect(throws: SegmentError.otherKernel(path: path)) { try attach() }
        #expect(throws: SegmentError.otherKernel(path: path)) { try attach(.readOnly) }
        #expect(try directory.names == ["text.sharedmem"])
        try Segment.unlink(name, directory: directory.path)
        #expect(try attach().get() == "")
    }

    @Test("An impossible current slot or byte count is an error, not a crash")
    func wrongWhileAttached() throws {
        let segment = try attach()
        let readOnly = try attach(.readOnly)
        try segment.set("text")
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        let slot = try currentSlot(file)
        func expectCorrupted(_ what: Comment) {
            for attempt in [
                { _ = try segment.get() }, { _ = try readOnly.get() }, { try segment.withBytes { _ in } },
                { _ = try Segment.info(name, directory: directory.path) },
            ] as [() throws -> Void] {
                let error = #expect(throws: SegmentError.self, what) { try attempt() }
                guard case .corrupted(path, _) = error else {
                    Issue.record("\(what): \(String(describing: error))")
                    continue
                }
            }
        }
        try write([255, 255, 255, 255], at: UInt64(format.slotHeaderOffset(slot) + 16), to: file)
        expectCorrupted("a count")
        try write([4, 0, 0, 0], at: UInt64(format.slotHeaderOffset(slot) + 16), to: file)
        #expect(try segment.get() == "text")
        try write([1, 8], at: UInt64(SegmentFormat.currentOffset + 6), to: file)
        expectCorrupted("a slot")
        #expect(throws: SegmentError.self) { try segment.set("x") }
        try write([UInt8(slot), 0], at: UInt64(SegmentFormat.currentOffset + 6), to: file)
        #expect(try segment.get() == "text")
    }

    @Test("The last number is an error, and impossible reserves do no harm")
    func wrongNumbersWhileAttached() throws {
        let segment = try attach()
        try segment.set("text")
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        for slot in 0..<8 {
            try write([0, 0, 0, 0, 0, 0, 0, 0x80], at: UInt64(format.slotHeaderOffset(slot) + 24), to: file)
        }
        try segment.set("still")
        #expect(try segment.get() == "still")
        let slot = try currentSlot(file)
        try write(
            [UInt8](repeating: 0xff, count: 6) + [UInt8(slot), 0], at: UInt64(SegmentFormat.currentOffset), to: file)
        let error = #expect(throws: SegmentError.self) { try segment.set("one too many") }
        #expect(error == .corrupted(path: path, reason: "the number is \(PublicationWord.maximumNumber)"))
        #expect(try segment.get() == "still")
    }

    @Test("An invalid capacity in the environment is an error")
    func environmentCapacity() async throws {
        let result = try await ChildProcess.probe(
            .get, directory, name, environment: ["SHAREDMEM_CAPACITY": "1Q"]
        ).finish()
        #expect(result.errors == "\(SegmentError.invalidEnvironment(variable: "SHAREDMEM_CAPACITY", value: "1Q"))\n")
        let other = try await ChildProcess.probe(
            .hold(), directory, name, environment: ["SHAREDMEM_CAPACITY": "5000"]
        ).finish()
        #expect(other.status == 0)
    }

    @Test("Bytes that are not UTF-8 are never returned as text")
    func wrongBytesWhileAttached() throws {
        let segment = try attach()
        try segment.set("text")
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try write([0xff], at: UInt64(format.headerByteCount + (1 << 20) * currentSlot(file) + 2), to: file)
        for attempt in [
            { _ = try segment.get() }, { try segment.withText { _ in } }, { _ = try segment.snapshot() },
            { _ = try Segment.read(name, directory: directory.path) },
        ] as [() throws -> Void] {
            #expect(
                throws: SegmentError.corrupted(path: path, reason: "the text is not UTF-8 at offset 2"),
                performing: attempt)
        }
        #expect(try segment.withBytes { $0.byteCount } == 4)
    }

    private func currentSlot(_ file: FileHandle) throws -> Int {
        try file.seek(toOffset: UInt64(SegmentFormat.currentOffset + 6))
        return Int(try #require(try file.read(upToCount: 1)?.first))
    }

    @Test("A directory that is not on a tmpfs is refused, and nothing is left behind in it")
    func notInMemory() throws {
        let onDisk = try TemporaryDirectory(under: ChildProcess.productDirectory)
        #expect(throws: SegmentError.notInMemory(path: onDisk.path)) {
            try Segment.attach(name, AttachmentOptions(directory: onDisk.path))
        }
        #expect(try onDisk.names == [])
        try Data(repeating: 0, count: 100).write(to: URL(fileURLWithPath: onDisk.path(of: name)))
        #expect(throws: SegmentError.notInMemory(path: onDisk.path(of: name))) {
            try Segment.attach(name, AttachmentOptions(directory: onDisk.path))
        }
    }

    @Test("A directory that does not exist is an error of the system")
    func noDirectory() {
        let error = #expect(throws: SegmentError.self) {
            try Segment.attach(name, AttachmentOptions(directory: "/dev/shm/no/such"))
        }
        #expect("\(String(describing: error))".contains("/dev/shm/no/such"))
        #expect(throws: SegmentError.notFound(name: name, directory: "/dev/shm/no/such", found: [])) {
            try Segment.read(name, directory: "/dev/shm/no/such")
        }
    }

    @Test("A file of another user is refused unless that user is trusted by name", .enabled(if: geteuid() == 0))
    func strangersFile() throws {
        do { try Segment.attach(name, AttachmentOptions(lifetime: .persistent, directory: directory.path)).set("x") }
        for stranger: UInt32 in [12_345, 65_534] {
            #expect(chown(path, stranger, stranger) == 0)
            for access in [Access.readWrite, .readOnly] {
                #expect(throws: SegmentError.untrustedOwner(path: path, owner: stranger)) { try attach(access) }
                #expect(try attach(access, trusting: [.user(stranger)]).get() == "x")
            }
        }
    }

    @Test("Without unnamed files, a segment is created whole under a temporary name, which does not stay behind")
    func temporaryName() throws {
        let file = SegmentFile(try SegmentName(name), in: directory.path)
        let options = AttachmentOptions(directory: directory.path)
        func create(_ temporaryPath: String) throws -> Bool {
            guard let open = try OpenFile.create(file, options, under: temporaryPath) else { return false }
            #expect(try directory.names == ["text.sharedmem"])
            #expect(try attach().get() == "")
            extendLifetime(open)
            return true
        }
        #expect(try create("\(directory.path)/.text.1"))
        let segment = try attach()
        #expect(try !create("\(directory.path)/.text.2"), "the name is taken")
        try FileManager.default.removeItem(atPath: "\(directory.path)/.text.2")
        #expect(try directory.names == ["text.sharedmem"])
        extendLifetime(segment)
    }

    @Test("Exceeding the file size limit is an error, and does not kill the process")
    func fileSizeLimit() async throws {
        let result = try await ChildProcess.run(
            "/bin/bash",
            ["-c", "ulimit -f 1000; exec \"$0\" \"$@\"", ProbeCommand.executable, directory.path, name, "get"])
        #expect(result.status == 1 && !result.wasKilled)
        let needed = Geometry(capacity: 1 << 20).fileByteCount
        #expect(result.errors == "\(SegmentError.fileSizeLimit(limit: 1_024_000, needed: needed))\n")
        #expect(try directory.names == [])
    }

    @Test(
        "A full tmpfs is an error: the text stays, sets that find memory succeed, and freed memory is used again",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
    func fullTmpfs() async throws {
        let script = """
            mount -t tmpfs -o size=1m none "$2" && exec "$1" "$2" text fill "$2/junk"
            """
        let arguments = [ProbeCommand.executable, directory.path]
        let result = try await MountNamespace.start(script, arguments).finish()
        #expect(result.status == 0, "\(result.errors)")
        let text = result.text
        #expect(text.contains("same size: set\nlarger: set\ntoo large: No memory is left"), "\(text)")
        #expect(text.contains("900000 bytes"))
        #expect(text.contains("still there: true"))
        #expect(text.contains("another: No memory is left"))
        #expect(text.contains("freed: set"))
    }

    @Test(
        "A tmpfs without free inodes is reported like a full one",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
    func noInodes() async throws {
        let script = """
            mount -t tmpfs -o nr_inodes=1 none "$2" && exec "$1" "$2" text set hello
            """
        let arguments = [ProbeCommand.executable, directory.path]
        let result = try await MountNamespace.start(script, arguments).finish()
        #expect(result.status == 1)
        #expect(result.errors.hasPrefix("No memory is left on the tmpfs"), "\(result.errors)")
    }

    @Test("Unlinking removes a segment of another layout, and writes nothing to it")
    func unlinkOtherLayout() throws {
        try leaveBehind { try write([3], at: 8, to: $0) }
        let file = try #require(FileHandle(forReadingAtPath: path))
        try Segment.unlink(name, directory: directory.path)
        try file.seek(toOffset: UInt64(SegmentFormat.stateOffset + 4))
        #expect(try file.read(upToCount: 4) == Data([0, 0, 0, 0]))
    }

    @Test(
        "A segment is created without /proc too",
        .enabled("mounts over /proc") { await MountNamespace.isPermitted() })
    func noProc() async throws {
        let script = """
            mount -t tmpfs none /proc && PROBE_ARGUMENTS="probe $2 text set hello" exec "$1"
            """
        let arguments = [ProbeCommand.executable, directory.path]
        let result = try await MountNamespace.start(script, arguments).finish()
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.text.hasSuffix("-1\n"))
    }
}
