import Foundation
import LinuxSystem
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// What programs and administrators do around the library: remove, copy and mount, set clocks, close descriptors.
/// (SharedMemCTests/Programs/complete.c has those that close descriptors and give up rights.)
@Suite("Field faults", .fewAtATime)
struct FieldTests: SegmentTestCase {
    let directory: TemporaryDirectory
    let name = "text"

    init() throws { directory = try TemporaryDirectory() }

    /// Runs a shell script in a mount namespace; `p` runs the probe on the segment.
    func run(_ script: String, unsharing: String = "--mount") async throws -> String {
        let prelude = """
            probe=$1 directory=$2
            p() { "$probe" "$directory" text "$@" </dev/null 2>&1; }
            until_in() { for i in $(seq 1000); do grep -qs -e "$2" "$1" && return; sleep 0.02; done; echo "no $2"; }

            """
        let result = try await ChildProcess.run(
            "unshare", [unsharing, "/bin/sh", "-c", prelude + script, "sh", ProbeCommand.executable, directory.path],
            within: 60)
        return result.text + result.errors
    }

    @Test("A program that sets into a file that was removed is told within a second, and nothing is lost")
    func setsIntoNothing() async throws {
        let segment = try attach()
        try segment.set("before")
        try FileManager.default.removeItem(atPath: path)
        let error = try await eventually("the error") {
            do throws(SegmentError) {
                try segment.set("after")
                return nil as SegmentError?
            } catch {
                return error
            }
        }
        #expect(error == .unlinked(name: name))
        let next = try attach()
        try next.set("new")
        #expect(try segment.isUnlinked && next.get() == "new")
    }

    @Test("A set refreshes the times of the file, by which cleaners know what is in use")
    func timesAreRefreshed() throws {
        let segment = try attach()
        let old = timeval(tv_sec: 1000, tv_usec: 0)
        #expect(utimes(path, [old, old]) == 0)
        try segment.set("x")
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mtim.tv_sec > 1_700_000_000 && status.st_atim.tv_sec > 1_700_000_000)
    }

    @Test("A copy that is moved back over its original is not taken for the segment")
    func copiedBack() async throws {
        do { try attach(.readWrite, .persistent).set("one") }
        let copy = directory.path(of: "copy")
        let end = try await ChildProcess.run("cp", ["--sparse=always", path, copy])
        #expect(end.status == 0)
        try attach().set("two")
        #expect(rename(copy, path) == 0)
        let expected = SegmentError.notASegment(path: path, reason: "it is a copy of another segment's file")
        #expect(throws: expected) { try attach() }
        #expect(throws: expected) { try attach(.readOnly) }
        #expect(throws: expected) { try Segment.read(name, directory: directory.path) }
        #expect(try directory.names == ["text.sharedmem"])
    }

    @Test(
        "A file system that is mounted over the directory neither ends a wait nor keeps a change from the waiters",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
    func mountedOver() async throws {
        let text = try await run(
            """
            out=$(mktemp -d)
            mkfifo "$out/lines"
            "$probe" "$directory" text set-lines <"$out/lines" >"$out/set" 2>&1 & writer=$!
            exec 9>"$out/lines"
            echo '100 1' >&9; until_in "$out/set" -1
            "$probe" "$directory" text watch readWrite wait >"$out/watch" 2>&1 & watcher=$!
            until_in "$out/watch" -1
            mount -t tmpfs none "$directory"
            for number in 2 3 4 5; do
                # Longer than the name is left unlooked at.
                sleep 0.6
                echo "100 $number" >&9; until_in "$out/watch" "-$number"
            done
            umount "$directory"
            p get | wc -c
            kill $watcher; exec 9>&-; wait $writer
            rm -r "$out"
            """)
        #expect(text == "100\n")
    }

    @Test(
        "A file that has no name any more is unlinked, even if its path leads there through a mount",
        .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
    func deletedUnderTheMount() async throws {
        let text = try await run(
            """
            out=$(mktemp -d)
            mkdir "$directory/source"
            "$probe" "$directory/source" text hold persistent </dev/null >/dev/null
            touch "$directory/text.sharedmem"
            mount --bind "$directory/source/text.sharedmem" "$directory/text.sharedmem"
            "$probe" "$directory" text watch readWrite wait >"$out/watch" 2>&1 &
            until_in "$out/watch" -0
            rm "$directory/source/text.sharedmem"
            until_in "$out/watch" unlinked
            umount "$directory/text.sharedmem"
            rm -r "$out"
            """)
        #expect(text == "")
    }

    @Test(
        "A user whom the namespace does not know creates no segment that it could not open again",
        .enabled("makes user namespaces") {
            (try? await ChildProcess.run("unshare", ["--user", "/bin/true"]).status) == 0
        })
    func overflowUserCreates() async throws {
        chmod(directory.path, 0o777)
        let text = try await run("p set x; ls -A \"$directory\"", unsharing: "--user")
        #expect(text.contains("belongs to user 65534"), "\(text)")
        #expect(try directory.names == [])
    }
}
