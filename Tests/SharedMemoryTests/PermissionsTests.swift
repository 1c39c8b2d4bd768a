import Foundation
import LinuxSystem
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

@Suite("Owners, modes and groups", .fewAtATime)
struct PermissionsTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    private func attached(
        mode: UInt32? = nil, group: UInt32? = nil, access: Access = .readWrite, sharing: Bool = true
    ) throws -> Segment {
        var options = AttachmentOptions(
            access: access, lifetime: .persistent, rowCount: 126, pinCount: 64, directory: directory.path, mode: mode,
            group: group)
        options.sharesAttachment = sharing
        return try Segment.attach(name, options)
    }

    private func info() throws -> SegmentInfo { try Segment.info(name, directory: directory.path) }

    // MARK: Owners

    @Test("An owner is a user's name or number, or a group's after an @")
    func parsing() throws {
        let cases: [(String, TrustedOwner)] = [
            ("root", .user(0)), ("0", .user(0)), ("12345", .user(12_345)), ("@root", .group(0)), ("@77", .group(77)),
        ]
        for (text, owner) in cases { #expect(try TrustedOwner(text) == owner) }
        for text in ["", "no-such-user", "4294967295", "-1", "+1", "1.0"] {
            #expect(throws: SegmentError.unknownUser(text)) { try TrustedOwner(text) }
        }
        for text in ["", "no-such-group", "-1", "@root"] {
            #expect(throws: SegmentError.unknownGroup(text)) { try TrustedOwner("@" + text) }
        }
    }

    @Test("An untrusted owner's error names the option and the variable that trust it")
    func untrustedOwner() {
        let unnamed = "\(SegmentError.untrustedOwner(path: "/p", owner: 4_000_000_000))"
        #expect(unnamed.contains("user 4000000000, "))
        #expect(unnamed.contains("(--trust-owner 4000000000, or SHAREDMEM_TRUST_OWNER=4000000000)"))
        let named = "\(SegmentError.untrustedOwner(path: "/p", owner: 0))"
        #expect(
            named.contains("user 0 (root), ") && named.contains("(--trust-owner root, or SHAREDMEM_TRUST_OWNER=root)"))
    }

    @Test("Members of a trusted group are trusted, and other users are not", .enabled(if: geteuid() == 0))
    func trustedGroup() throws {
        // A user with a primary group of its own.
        let user = try #require((1...2000).first { getpwuid($0) != nil && getpwuid($0).pointee.pw_gid != 0 })
        let group = getpwuid(user).pointee.pw_gid
        do { try attached().set("x") }
        #expect(chown(path, user, 0) == 0)
        func get(trusting owners: Set<TrustedOwner>) throws -> String {
            try Segment.attach(name, AttachmentOptions(directory: directory.path, trustedOwners: owners)).get()
        }
        #expect(try get(trusting: [.group(group)]) == "x")
        #expect(try get(trusting: [.group(4_000_000_000), .group(group)]) == "x")
        for owners: Set<TrustedOwner> in [[], [.group(4_000_000_000)], [.group(0)], [.user(user + 1)]] {
            #expect(throws: SegmentError.untrustedOwner(path: path, owner: user)) { try get(trusting: owners) }
        }
        // A user that the host does not know is no member of any group.
        #expect(chown(path, 4_000_000_000, group) == 0)
        #expect(throws: SegmentError.untrustedOwner(path: path, owner: 4_000_000_000)) {
            try get(trusting: [.group(group)])
        }
    }

    @Test("SHAREDMEM_TRUST_OWNER counts for every attachment of a process", .enabled(if: geteuid() == 0))
    func environment() async throws {
        do { try attached().set("x") }
        #expect(chown(path, 12_345, 0) == 0)
        func run(_ command: ProbeCommand, _ value: String?) async throws -> ChildProcess.Finished {
            let environment = value.map { ["SHAREDMEM_TRUST_OWNER": $0] } ?? [:]
            return try await ChildProcess.probe(command, directory, name, environment: environment).finish()
        }
        for value in ["12345", "1,12345", "12345,@0"] {
            #expect(try await run(.get, value).text == "x")
            #expect(try await run(.readOnce(.readOnly), value).status == 0)
        }
        for value in [nil, "", "1", "@0", "root"] {
            let result = try await run(.get, value)
            #expect(result.status == 1 && result.errors.contains("belongs to user 12345"), "\(result.errors)")
        }
        let unknown = try await run(.get, "12345,no-such-user")
        #expect(
            unknown.status == 1
                && unknown.errors.contains("SHAREDMEM_TRUST_OWNER=12345,no-such-user in the environment"))
        #expect(unknown.errors.contains("a user or a group that this host does not know"))
        // Nobody is looked up for the process's own segment.
        #expect(chown(path, 0, 0) == 0)
        #expect(try await run(.get, "no-such-user").text == "x")
    }

    @Test(
        "Root inspects and unlinks any user's segment, and must trust the user to attach", .enabled(if: geteuid() == 0))
    func root() throws {
        let version = try attached().set("x")
        #expect(chown(path, 12_345, 12_345) == 0)
        #expect(try Segment.read(name, directory: directory.path).text == "x")
        #expect(try info().version == version && info().owner == 12_345)
        #expect(try Segment.processes(name, directory: directory.path) == [])
        for access in [Access.readWrite, .readOnly] {
            #expect(throws: SegmentError.untrustedOwner(path: path, owner: 12_345)) { try attached(access: access) }
        }
        try Segment.unlink(name, directory: directory.path)
        #expect(try directory.names == [])
    }

    // MARK: Modes

    @Test("An existing segment keeps its mode unless one is asked for", arguments: [false, true])
    func modeOfExisting(sharing: Bool) throws {
        let first = try attached(mode: 0o640)
        #expect(try attached(sharing: sharing).get() == "")
        #expect(try info().mode == 0o640)
        #expect(try attached(mode: 0o604, sharing: sharing).get() == "")
        #expect(try info().mode == 0o604)
        #expect(try attached(mode: 0o600, sharing: sharing).get() == "")
        #expect(try info().mode == 0o600)
        extendLifetime(first)
    }

    @Test("The default mode is 0600")
    func defaultMode() throws {
        let segment = try attached()
        #expect(try info().mode == 0o600)
        extendLifetime(segment)
    }

    @Test(
        "A mode that lets others read also makes writers wake them",
        arguments: [0o600, 0o640, 0o604, 0o622] as [UInt32])
    func wakesAlways(mode: UInt32) throws {
        let segment = try attached()
        func wakesAlways() throws -> Bool { try withView { $0.state.wakesAlways.load(ordering: .relaxed) != 0 } }
        #expect(try !wakesAlways())
        #expect(try attached(mode: mode).get() == "")
        #expect(try wakesAlways() == (mode & 0o044 != 0))
        extendLifetime(segment)
    }

    @Test("A read-only attachment changes nothing: another mode is refused")
    func readOnly() throws {
        let segment = try attached(mode: 0o640)
        #expect(try attached(mode: 0o640, access: .readOnly).get() == "")
        let status = try #require(try FileStatus.ofPath(path))
        for sharing in [false, true] {
            #expect(
                throws: SegmentError.permissionsMismatch(
                    path: path, mode: 0o640, group: status.group, owner: status.owner)
            ) { try attached(mode: 0o644, access: .readOnly, sharing: sharing) }
        }
        #expect(try info().mode == 0o640)
        extendLifetime(segment)
    }

    // MARK: Groups

    @Test("A segment gets the group that is asked for, when it is created and later", .enabled(if: geteuid() == 0))
    func group() throws {
        let segment = try attached(mode: 0o660, group: 12_345)
        #expect(try info().group == 12_345 && info().mode == 0o660)
        #expect(try attached().get() == "")
        #expect(try info().group == 12_345)
        #expect(try attached(group: 23_456).get() == "")
        #expect(try info().group == 23_456 && info().mode == 0o660)
        #expect(try attached(mode: 0o640, group: 34_567, sharing: false).get() == "")
        #expect(try info().group == 34_567 && info().mode == 0o640)
        extendLifetime(segment)
    }

    // MARK: Leftovers

    @Test("What killed processes left behind is a leftover, and neither a segment nor missing")
    func leftovers() async throws {
        try await leaveBehind("x")
        let other = try Segment.attach("other", AttachmentOptions(directory: directory.path))
        try Data("junk".utf8).write(to: URL(fileURLWithPath: directory.path(of: "junk")))
        #expect(try Segment.list(directory: directory.path) == ["junk", "other"])
        #expect(try Segment.leftovers(directory: directory.path) == ["text"])
        let error = SegmentError.leftover(name: name, directory: directory.path)
        #expect(throws: error) { try Segment.read(name, directory: directory.path) }
        #expect(throws: error) { try info() }
        #expect(throws: error) {
            try Segment.attach(name, AttachmentOptions(access: .readOnly, directory: directory.path))
        }
        // It is not among the segments that other errors list.
        let notFound = SegmentError.notFound(name: "none", directory: directory.path, found: ["junk", "other"])
        #expect(throws: notFound) { try Segment.read("none", directory: directory.path) }
        try Segment.unlink(name, directory: directory.path)
        #expect(try Segment.leftovers(directory: directory.path) == [])
        #expect(try directory.names == ["junk.sharedmem", "other.sharedmem"])
        extendLifetime(other)
    }

    @Test("A leftover of another user is listed too", .enabled(if: geteuid() == 0))
    func leftoverOfStranger() async throws {
        try await leaveBehind("x")
        #expect(chown(path, 12_345, 12_345) == 0)
        #expect(try Segment.list(directory: directory.path) == [])
        #expect(try Segment.leftovers(directory: directory.path) == ["text"])
    }

    @Test("A follower waits for the successor of a leftover")
    func followerOfLeftover() async throws {
        try await leaveBehind("x")
        let follower = try SegmentFollower(
            name, AttachmentOptions(access: .readOnly, directory: directory.path, creates: false))
        #expect(try follower.next(after: nil, waitsForSegment: true, timeout: .milliseconds(50)) == nil)
        let segment = try attached()
        try segment.set("new")
        #expect(try follower.next(after: nil, waitsForSegment: true, timeout: .seconds(10))?.text == "new")
    }
}
