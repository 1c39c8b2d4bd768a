import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// Each set-up is really built.
///
/// `doctor` has to name its cause and no other, and to be content after the repair it prints.
@Suite("sharedmem doctor", .fewAtATime)
struct DoctorTests {
    static let asStranger = "setpriv --reuid 12345 --regid 12345 --clear-groups"
    static let set = "sharedmem set $name --text x"

    func expect(_ test: DoctorCase, prepare: (String) throws -> Void = { _ in }) async throws {
        let outcome = try await test.run(prepare: prepare)
        let (status, severity) = test.isNote ? ("0", "note") : ("1", "problem")
        let first = try #require(outcome.before.first, "nothing was found")
        #expect(first.cause == test.cause && first.severity == severity, "\(outcome.before)")
        let others = outcome.before.filter { $0.severity == "problem" && $0.cause != test.cause }.map(\.cause)
        #expect(others == test.alsoFound, "\(outcome.before)")
        #expect(!first.subject.isEmpty && !first.seen.isEmpty && !first.why.isEmpty)
        #expect(outcome.statuses["before"] == status && outcome.statuses["page"] == status)
        #expect(outcome.statuses["state"] == "unchanged", "doctor only looks")
        guard test.isRepairable else { return }
        #expect(!first.fix.isEmpty)
        #expect(outcome.statuses["repair"] == "0", "\(first.fix)")
        let left = outcome.after.filter { $0.severity == "problem" }.map(\.cause)
        #expect(left == test.leaves, "after \(first.fix): \(outcome.after)")
        #expect(outcome.statuses["after"] == (left.isEmpty ? "0" : "1"), "after \(first.fix): \(outcome.after)")
        #expect(!outcome.after.contains { $0.cause == test.cause }, "after \(first.fix): \(outcome.after)")
    }

    // MARK: Places

    static let places = [
        DoctorCase(cause: "anotherDirectory", setUp: "hold $other $name"),
        DoctorCase(
            cause: "anotherDirectory", variant: "of the process that is asked about",
            setUp: "\(set); SHAREDMEM_DIRECTORY=$other hold $other $name", arguments: "$holder"),
        DoctorCase(
            cause: "anotherDirectory", isNote: true, variant: "while another process uses this one",
            setUp: "hold $place $name; hold $other $name", isRepairable: false),
        DoctorCase(cause: "noDirectory", setUp: "rmdir $place; SHAREDMEM_DIRECTORY=$place"),
        DoctorCase(
            cause: "noDirectory", variant: "but a file", setUp: "export SHAREDMEM_DIRECTORY=$other/file; : >$other/file"
        ),
        DoctorCase(
            cause: "directoryNotSticky", isNote: true, setUp: "\(set); chmod 777 $place"),
        DoctorCase(cause: "missing", setUp: ":"),
        DoctorCase(
            cause: "misspelled", setUp: "sharedmem set ${name}s --text x", isShownElsewhere: true),
        DoctorCase(
            cause: "misspelled", variant: "in case", setUp: "sharedmem set ${name^^} --text x", isShownElsewhere: true),
        DoctorCase(
            cause: "misspelled", isNote: true, variant: "in case, while both exist",
            setUp: "\(set); sharedmem set ${name^^} --text x", isRepairable: false),
    ]

    @Test("It finds that the text is looked for in the wrong place", arguments: places)
    func place(_ test: DoctorCase) async throws { try await expect(test) }

    // MARK: Mounts

    static let mounts = [
        DoctorCase(
            cause: "anotherDirectory", variant: "which no process uses",
            setUp: "mount -t tmpfs none $other; sharedmem set $name --directory $other --text x", isMounting: true),
        DoctorCase(
            cause: "privateMemory", variant: "of another process",
            setUp: """
                unshare --mount /bin/sh -c 'mount -t tmpfs none $0; exec probe $0 $1 hold whileAttached 9>&-' $place $name \
                <$records/input >$records/said 2>&1 & begun
                """, isShownElsewhere: true, isMounting: true),
        DoctorCase(
            cause: "privateMemory", variant: "of its own",
            setUp:
                """
                export SHAREDMEM_DIRECTORY=
                cd $records; mount -t tmpfs none /dev/shm; chmod 1777 /dev/shm; mkdir -p $records $place
                mount -c --bind . $records
                """, launcher: "unshare --ipc", isMounting: true, isRepairable: false),
        DoctorCase(
            cause: "mountPoint", isNote: true, variant: "of the segment itself",
            setUp:
                "\(set); f=$name.sharedmem; sharedmem set $name --directory $other --text y; mount --bind $other/$f $place/$f",
            isMounting: true),
        DoctorCase(
            cause: "mountPoint", variant: "of a file that was removed",
            setUp: """
                \(set); f=$name.sharedmem; sharedmem set $name --directory $other --text y
                mount --bind $other/$f $place/$f; rm $other/$f
                """, isMounting: true),
        DoctorCase(
            cause: "mountPoint", variant: "over the directory of an attached process",
            setUp: "hold $place $name; mount -t tmpfs none $place; \(set)", isMounting: true),
        DoctorCase(
            cause: "readOnlyMount", setUp: "mount -t tmpfs none $place; \(set); mount -o remount,ro $place",
            isMounting: true),
        DoctorCase(
            cause: "fullMemory",
            setUp: "mount -t tmpfs -o size=1m none $place; \(set); head -c 2m /dev/zero >$place/junk 2>/dev/null || :",
            isMounting: true),
        DoctorCase(
            cause: "noInodes", setUp: "mount -t tmpfs -o nr_inodes=2 none $place; : >$place/junk", isMounting: true),
    ]

    @Test(
        "It finds what mounts and a full tmpfs do",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() }, arguments: mounts)
    func mount(_ test: DoctorCase) async throws { try await expect(test) }

    @Test("It finds a directory on a disk")
    func onDisk() async throws {
        let disk = try TemporaryDirectory(under: ChildProcess.productDirectory)
        try await expect(DoctorCase(cause: "notInMemory", setUp: "export SHAREDMEM_DIRECTORY='\(disk.path)'"))
        #expect(try disk.names == [])
    }

    // MARK: Files

    static let files = [
        DoctorCase(cause: "leftover", setUp: "hold $place $name; kill -9 $holder; wait $holder || :"),
        DoctorCase(
            cause: "copy", setUp: "\(set); f=$place/$name.sharedmem; cp --sparse=always $f $f.copy; mv $f.copy $f"),
        DoctorCase(
            cause: "copy", variant: "while a process uses the original",
            setUp: "hold $place $name; f=$place/$name.sharedmem; cp --sparse=always $f $f.copy; mv $f.copy $f",
            alsoFound: ["removed"], isRepairable: false),
        DoctorCase(cause: "otherLayout", variant: "of a later version", setUp: "\(set); \(patch(8, "\\003"))"),
        DoctorCase(cause: "otherKernel", setUp: "\(set); \(patch(32, "\\001\\002\\003\\004"))"),
        DoctorCase(cause: "damaged", variant: "in its header", setUp: "\(set); \(patch(64, "\\001\\100"))"),
        DoctorCase(cause: "damaged", variant: "in its current slot", setUp: "\(set); \(patch(134, "\\001\\010"))"),
        DoctorCase(cause: "damaged", variant: "cut", setUp: "\(set); truncate -s 100000 $place/$name.sharedmem"),
        DoctorCase(cause: "foreignFile", setUp: "echo junk >$place/$name.sharedmem"),
        DoctorCase(cause: "foreignFile", variant: "that is empty", setUp: ": >$place/$name.sharedmem"),
        DoctorCase(cause: "foreignFile", variant: "that is a FIFO", setUp: "mkfifo $place/$name.sharedmem"),
        DoctorCase(cause: "foreignFile", variant: "that is a directory", setUp: "mkdir $place/$name.sharedmem"),
        DoctorCase(
            cause: "symbolicLink", variant: "to the segment in another directory",
            setUp: "sharedmem set $name --directory $other --text x; ln -s $other/$name.sharedmem $place"),
        DoctorCase(
            cause: "symbolicLink", variant: "that leads nowhere", setUp: "ln -s nowhere $place/$name.sharedmem"),
        DoctorCase(
            cause: "hardLink", isNote: true, setUp: "\(set); ln $place/$name.sharedmem $place/second.sharedmem"),
        DoctorCase(cause: "renamed", setUp: "hold $place $name; mv $place/$name.sharedmem $place/moved.sharedmem"),
        DoctorCase(cause: "removed", setUp: "hold $place $name; rm $place/$name.sharedmem"),
        DoctorCase(
            cause: "removed", variant: "and created again",
            setUp: "hold $place $name; rm $place/$name.sharedmem; \(set)"),
        DoctorCase(cause: "replicated", setUp: "\(set); \(patch(204, "\\220\\037\\1"))"),
        DoctorCase(
            cause: "replicated", isNote: true, variant: "by a server",
            setUp: """
                \(set); \(patch(204, "\\220\\037\\1"))
                python3 -c 'import fcntl, struct, sys
                file = open(sys.argv[1], "r+b", 0)
                fcntl.fcntl(file, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 8, 1, 0))
                print("locked", flush=True)
                sys.stdin.read()' $place/$name.sharedmem <"$records/input" 9>&- >"$records/said" 2>&1 & begun
                """, isRepairable: false),
    ]

    /// Changes bytes of the segment's file.
    private static func patch(_ offset: Int, _ bytes: String) -> String {
        "printf '\(bytes)' | dd of=$place/$name.sharedmem bs=1 seek=\(offset) conv=notrunc status=none"
    }

    @Test("It finds what is wrong with the file", arguments: files)
    func file(_ test: DoctorCase) async throws { try await expect(test) }

    @Test("It finds a segment of layout version 1, which migrating repairs")
    func firstLayout() async throws {
        let test = DoctorCase(cause: "otherLayout", setUp: "mv $place/old $place/$name.sharedmem")
        try await expect(test) { try FirstLayoutFile().write(to: $0 + "/old") }
    }

    // MARK: Users

    static let users = [
        DoctorCase(cause: "untrustedOwner", setUp: "\(set); chown 12345 $place/$name.sharedmem"),
        DoctorCase(
            cause: "untrustedOwner", variant: "besides another that is trusted",
            setUp: "\(set); chown 12345 $place/$name.sharedmem; export SHAREDMEM_TRUST_OWNER=23456"),
        DoctorCase(cause: "notReadable", setUp: set, launcher: asStranger, leaves: ["notWritable"]),
        DoctorCase(
            cause: "notReadable", variant: "of an owner that is not root",
            setUp: "\(set); chown 23456 $place/$name.sharedmem; export SHAREDMEM_TRUST_OWNER=23456",
            launcher: asStranger, leaves: ["notWritable"]),
        DoctorCase(
            cause: "notReadable", variant: "and only to be read", setUp: set, arguments: "--read-only",
            launcher: asStranger),
        DoctorCase(
            cause: "notReadable", variant: "and to be set", setUp: set, arguments: "--length 1", launcher: asStranger),
        DoctorCase(cause: "notWritable", setUp: "\(set) --mode 644", launcher: asStranger, isShownElsewhere: true),
        DoctorCase(
            cause: "notWritable", variant: "and to be set", setUp: "\(set) --mode 644", arguments: "--length 1",
            launcher: asStranger),
        DoctorCase(
            cause: "directoryNotPermitted", setUp: "\(set) --mode 666; chmod 700 $place", launcher: asStranger),
        DoctorCase(
            cause: "directoryNotPermitted", variant: "to create the segment in", setUp: ":", launcher: asStranger,
            isRepairable: false),
        DoctorCase(
            cause: "unseen", variant: "as the process is another user's", setUp: "\(set) --mode 666; hold $place $name",
            arguments: "$holder", launcher: asStranger, isRepairable: false),
        DoctorCase(
            cause: "unseen", isNote: true, variant: "as there are processes of other users", setUp: "\(set) --mode 666",
            launcher: asStranger, isRepairable: false),
    ]

    @Test("It finds what the user may not do", .enabled(if: geteuid() == 0), arguments: users)
    func user(_ test: DoctorCase) async throws { try await expect(test) }

    // MARK: Sizes and limits

    static let limits = [
        DoctorCase(cause: "capacity", setUp: set, arguments: "--capacity 5"),
        DoctorCase(
            cause: "capacity", variant: "in the environment",
            setUp: "\(set) --capacity 100; export SHAREDMEM_CAPACITY=2M"),
        DoctorCase(cause: "textTooLong", setUp: set, arguments: "--length 2M"),
        DoctorCase(cause: "fileSizeLimit", setUp: "ulimit -S -f 1000"),
        DoctorCase(
            cause: "addressSpaceLimit", variant: "of a process that attaches", setUp: "\(set); ulimit -S -v 1500000"),
        DoctorCase(cause: "addressSpaceLimit", variant: "of a process that creates", setUp: "ulimit -S -v 1500000"),
    ]

    @Test("It finds what does not fit", arguments: limits)
    func limit(_ test: DoctorCase) async throws { try await expect(test) }

    // MARK: Processes

    static let processes = [
        DoctorCase(
            cause: "anotherName", setUp: "\(set); hold $place another", arguments: "$holder", isShownElsewhere: true),
        DoctorCase(
            cause: "notAttached", setUp: "\(set); sleep 100 & sleeper=$!", arguments: "$sleeper", isRepairable: false),
        DoctorCase(
            cause: "stopped", isNote: true,
            setUp:
                "hold $place $name; kill -STOP $holder; until grep -q '^State:.T' /proc/$holder/status; do sleep 0.01; done"
        ),
        DoctorCase(
            cause: "oldVersion", isNote: true,
            setUp: """
                \(set)
                probe $place $name borrow <$records/input 9>&- >$records/said 2>&1 & begun
                \(set)
                """, isRepairable: false),
    ]

    @Test("It finds what other processes do", arguments: processes)
    func process(_ test: DoctorCase) async throws { try await expect(test) }
}
