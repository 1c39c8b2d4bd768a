import Foundation
import TestSupport
import TestTraits
import Testing

@testable import SharedMemory

/// On a full tmpfs of 1 MiB, sets are errors and never raise a signal, and the text stays.
@Suite("A full tmpfs", .fewAtATime, .enabled("mounts a tmpfs") { await MountNamespace.isPermitted() })
struct FullTmpfsTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// The beginning of every script: `p` runs the probe on the segment, `stop` starts a probe and waits until it has
    /// stopped at a step, `fill` takes all memory that is left.
    static let prelude = """
        mount -t tmpfs -o size=1m none "$2" || exit 1
        probe=$1 directory=$2
        p() { "$probe" "$directory" text "$@" </dev/null 2>&1; }
        stop() {
            step=$1; shift
            SHAREDMEM_PAUSE_AT=$step "$probe" "$directory" text "$@" </dev/null 2>&1 &
            while [ -d /proc/$! ] && ! grep -q '^State:.[TZ]' /proc/$!/status; do sleep 0.01; done
        }
        fill() { head -c 2m /dev/zero >>"$directory/junk" 2>/dev/null; }
        said() { echo "$1: $(cat)"; }

        """

    func run(_ script: String, _ arguments: String...) async throws -> [String] {
        let child = try MountNamespace.start(
            Self.prelude + script, [ProbeCommand.executable, directory.path] + arguments)
        let result = try await child.finish()
        #expect(result.status == 0 && !result.wasKilled, "\(result.text)\(result.errors)")
        return result.text.split(separator: "\n").map(String.init)
    }

    static let refusal = "No memory is left on the tmpfs for "

    @Test("A set that needs new memory fails while none is free, and succeeds once some is")
    func firstTouch() async throws {
        let lines = try await run(
            """
            p hold persistent >/dev/null; fill
            p set one | said first
            p set two | said second
            p get | wc -c | said empty
            rm "$directory/junk"
            p set three | said third
            p get | said text
            """)
        try #require(lines.count == 5)
        #expect(lines[0].hasPrefix("first: " + Self.refusal) && lines[0].contains("3 bytes"))
        #expect(lines[1].hasPrefix("second: " + Self.refusal))
        #expect(lines[2] == "empty: 0" && lines[3].hasSuffix("-1") && lines[4] == "text: three")
    }

    @Test("Without memory for a whole header, no segment is created and nothing is left behind")
    func creation() async throws {
        let lines = try await run(
            """
            fill
            p set one | said refused
            ls -A "$directory" | said there
            rm "$directory/junk"
            p set three
            """)
        #expect(lines[0].hasPrefix("refused: " + Self.refusal))
        #expect(lines[1] == "there: junk")
        #expect(lines.last?.hasSuffix("-1") == true)
    }

    @Test("With memory for a part of the header only, no segment is created, and no process dies of using it")
    func creationOfAPart() async throws {
        let lines = try await run(
            """
            for pages in 1 2 3 4 5; do
                fill; truncate -s "-$((4096 * pages))" "$directory/junk"
                p hold persistent >/dev/null; result=$(p set one); echo "$? $result"
                rm -f "$directory"/*
            done
            """)
        try #require(lines.count == 5)
        for line in lines { #expect(line.hasPrefix("0 ") || line.contains(Self.refusal), "\(line)") }
        #expect(lines[0].contains(Self.refusal) && !lines[4].contains(Self.refusal))
    }

    @Test("A growing text is refused while there is no memory, and the old text stays whole")
    func growth() async throws {
        let lines = try await run(
            """
            p hold persistent >/dev/null
            p set-checksummed 4096 1 >/dev/null
            for size in 300000 600000 900000 1000000 1040000 1048576; do
                p set-checksummed $size 2 | said $size
                p read-once readWrite; p read-once readOnly
            done
            """)
        #expect(lines.count == 18 && !lines.contains { $0.contains("false") }, "\(lines)")
        #expect(lines.first?.hasSuffix("-2") == true)
        #expect(lines.contains { $0.contains(Self.refusal) }, "\(lines)")
    }

    @Test(
        "A reader without a pin, whose slot's memory is given back while it reads, reads a newer text and no holes",
        arguments: [300_000, 100])
    func punchedUnderReader(_ byteCount: Int) async throws {
        let lines = try await run(
            """
            p hold persistent >/dev/null
            for seed in 1 2 3; do p set-checksummed 300000 $seed >/dev/null; done
            # In a slot that has had a large text.
            p set-checksummed $3 4 >/dev/null
            stop copyStamped read-once readOnly; reader=$!
            p set-checksummed 300000 5 >/dev/null; p set-checksummed 300000 6 >/dev/null
            fill
            stop punchDone set-checksummed 400000 7; writer=$!
            # Not even the memory that has just been given back is left: to touch it would be a SIGBUS.
            fill
            kill -CONT $reader; wait $reader; echo "ended $?"
            kill -9 $writer; wait $writer 2>/dev/null
            # Nor does any mark promise what is gone.
            for seed in 8 9 10; do p set-checksummed 300000 $seed | said set; p read-once readOnly; done
            """, "\(byteCount)")
        try #require(lines.count == 8, "\(lines)")
        #expect(lines[0].hasSuffix("-6 true"), "\(lines)")
        #expect(lines[1] == "ended 0")
        for line in stride(from: 2, to: 8, by: 2) {
            #expect(lines[line].hasPrefix("set: ") && !lines[line].hasSuffix("set: "), "\(lines)")
            #expect(lines[line + 1].hasSuffix(" true"), "\(lines)")
        }
    }

    @Test("A slot that has enough memory is filled, and the other slots keep theirs")
    func filledAsItIs() async throws {
        let lines = try await run(
            """
            p hold persistent >/dev/null
            for seed in 1 2 3; do p set-checksummed 200000 $seed >/dev/null; done
            fill
            stat -c %b "$directory/text.sharedmem"
            # The next in turn has no memory yet.
            p set-checksummed 200000 4 >/dev/null
            stat -c %b "$directory/text.sharedmem"
            p read-once readOnly
            """)
        #expect(lines.count == 3 && lines[0] == lines[1] && lines[2].hasSuffix("-4 true"), "\(lines)")
    }

    @Test("The memory of several small former texts is reused for a large one")
    func memoryOfSeveral() async throws {
        let lines = try await run(
            """
            p hold persistent >/dev/null
            for seed in 1 2 3 4; do p set-checksummed 200000 $seed >/dev/null; done
            fill
            p set-checksummed 500000 5
            p read-once readOnly
            """)
        #expect(lines.count == 2 && lines[0].hasSuffix("-5") && lines[1].hasSuffix("-5 true"), "\(lines)")
    }

    @Test("An attached process reclaims the memory that a dead process had claimed")
    func memoryOfTheDead() async throws {
        let lines = try await run(
            """
            mkfifo "$directory/lines"
            "$probe" "$directory" text set-lines <"$directory/lines" 2>&1 &
            exec 9>"$directory/lines"
            printf '400000 1\n400000 2\n' >&9
            until p read-once readOnly | grep -q -e '-2 true'; do sleep 0.01; done
            fill
            # The one slot that is free and has memory.
            stop setFilled set-checksummed 400000 3
            kill -9 $!; wait $! 2>/dev/null
            printf '400000 4\n' >&9; exec 9>&-
            wait %1
            """)
        #expect(lines.count == 3 && lines[2].hasSuffix("-3"), "\(lines)")
    }

    @Test(
        "A writer that is killed at any step of a set on a full tmpfs leaves the text intact, and other sets go on",
        arguments: [
            PausePoint.setClaimed, .setChecked, .setReserved, .setStamped, .setFilled, .setNumbered, .setPublished,
        ])
    func killedWhileFull(_ step: PausePoint) async throws {
        // With three, the next is to have a slot that has no memory yet, and comes to have one that has.
        let sets = step == .setReserved ? 5 : 3
        let lines = try await run(
            """
            p hold persistent >/dev/null
            for seed in $(seq $4); do p set-checksummed 200000 $seed >/dev/null; done
            fill
            stop $3 set-checksummed 200000 4
            p read-once readWrite; p read-once readOnly
            kill -9 $!; wait $! 2>/dev/null
            p read-once readOnly
            for seed in 5 6 7 8 9; do p set-checksummed 200000 $seed; done
            p read-once readWrite; p read-once readOnly
            """, step.rawValue, "\(sets)")
        let first = sets + (step == .setPublished ? 1 : 0)
        try #require(lines.count == 10, "\(lines)")
        for line in lines[..<3] { #expect(line.hasSuffix("-\(first) true"), "\(lines)") }
        for line in lines[8...] { #expect(line.hasSuffix("-\(first + 5) true"), "\(lines)") }
    }
}
