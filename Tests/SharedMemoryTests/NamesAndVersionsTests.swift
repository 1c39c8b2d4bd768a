import LinuxSystem
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

@Suite("Names, versions and places", .fewAtATime)
struct NamesAndVersionsTests {
    @Test("A version is parsed from its text, and from no other text")
    func versionsAsText() {
        let version = Version(instance: 0xab, number: 12)
        #expect(version.description == "00000000000000ab-12")
        #expect(Version("00000000000000ab-12") == version)
        #expect(Version("ffffffffffffffff-18446744073709551615")?.number == .max)
        for text in [
            "", "-", "12", "ab-12", "00000000000000AB-12", "00000000000000ab-012", "00000000000000ab-+12",
            "00000000000000ab--12", "00000000000000ab-12 ", "00000000000000ab-18446744073709551616",
        ] {
            #expect(Version(text) == nil, "\(text)")
        }
    }

    @Test(
        "Names that contain a slash, begin with a dot or are too long are refused",
        arguments: [
            "", ".", "..", ".hidden", "a/b", "/a", "a b", "ä", "a\u{0}b", "a\n", String(repeating: "a", count: 201),
        ])
    func refusesNames(_ name: String) throws {
        let directory = try TemporaryDirectory()
        #expect(throws: SegmentError.invalidName(name)) {
            try Segment.attach(name, AttachmentOptions(directory: directory.path))
        }
        #expect(throws: SegmentError.invalidName(name)) { try Segment.unlink(name, directory: directory.path) }
        #expect(try directory.names == [])
    }

    @Test(
        "Names of 1 and of 200 characters are accepted",
        arguments: ["a", "A-Z_a.z-0.9", String(repeating: "a", count: 200)])
    func acceptsNames(_ name: String) throws {
        let directory = try TemporaryDirectory()
        let segment = try Segment.attach(name, AttachmentOptions(directory: directory.path))
        #expect(segment.name == name)
        #expect(segment.path == directory.path(of: name))
    }

    @Test("Impossible capacities are refused", arguments: [0, -1, Segment.maximumCapacity + 1])
    func refusesCapacities(_ capacity: Int) throws {
        let directory = try TemporaryDirectory()
        #expect(throws: SegmentError.invalidCapacity(capacity)) {
            try Segment.attach("a", AttachmentOptions(capacity: capacity, directory: directory.path))
        }
        #expect(try directory.names == [])
    }

    @Test("The largest capacity is possible and takes no memory at first")
    func largestCapacity() throws {
        let directory = try TemporaryDirectory()
        let segment = try Segment.attach(
            "a", AttachmentOptions(capacity: Segment.maximumCapacity, directory: directory.path))
        try segment.set("x")
        #expect(try segment.get() == "x")
        #expect(try Segment.info("a", directory: directory.path).memoryByteCount < 1 << 16)
    }

    @Test("Every error says what happened in a whole sentence")
    func errorsAreSentences() {
        let version = Version(instance: 1, number: 2)
        let errors: [SegmentError] = [
            .invalidName("/"), .invalidCapacity(0), .tooLong(byteCount: 2, capacity: 1), .notUTF8(offset: 1),
            .containsNUL(offset: 1), .versionMismatch(current: version), .readOnly(name: "a"),
            .notFound(name: "a", directory: "/d", found: ["b"]),
            .capacityMismatch(name: "a", capacity: 1, requested: 2), .notASegment(path: "/p", reason: "r"),
            .untrustedOwner(path: "/p", owner: 1), .notInMemory(path: "/p"), .otherKernel(path: "/p"),
            .corrupted(path: "/p", reason: "r"), .otherLayout(path: "/p", version: 1, ownVersion: 2),
            .invalidRowCount(1),
            .noSpace(path: "/p", byteCount: 1), .fileSizeLimit(limit: 1, needed: 2), .busy(doing: "x"),
            .system(call: "open /p", code: 13), .unknownUser("a"), .unknownGroup("a"), .groupNotPermitted(group: 1),
            .leftover(name: "a", directory: "/d"), .permissionsMismatch(path: "/p", mode: 0o600, group: 1, owner: 2),
            .stillAttached(name: "a"), .replicated(name: "a", directory: "/d", url: nil),
            .replicated(name: "a", directory: "/dev/shm", url: "u"),
            .stillReplicated(name: "a"), .invalidEnvironment(variable: "SHAREDMEM_TRUST_OWNER", value: "a"),
        ]
        for error in errors { #expect("\(error)".hasSuffix("."), "\(error)") }
        #expect("\(errors[7])".contains("/d") && "\(errors[7])".contains("there: b"))
        #expect(
            "\(errors[19])" == "open /p: Permission denied (errno 13). "
                + (SystemError(call: "open", code: 13).advice ?? ""))
    }
}
