import Foundation
import SharedMemory
import TestSupport
import TestTraits
import Testing

/// What ends `watch`: signals, and an output without a reader.
@Suite("watch ends", .fewAtATime)
struct WatchEndTests: WatchingTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    // MARK: Signals

    @Test("A signal ends watch at once, with status 0", arguments: [SIGINT, SIGTERM, SIGHUP])
    func signals(_ signal: CInt) async throws {
        try segment().set("x")
        for option in [[], ["--wait"]] {
            let watch = try watch(option)
            try await printed("x\n", by: watch)
            watch.send(signal)
            let result = try await watch.finish()
            #expect(result.status == 0 && !result.wasKilled && result.text == "x\n" && result.errors == "")
        }
        try Segment.unlink("text", directory: directory.path)
        let waiting = try watch("--wait")
        try await sleeps(waiting, handling: signal)
        waiting.send(signal)
        #expect(try await waiting.finish().status == 0)
    }

    @Test("While a reader takes the text, a signal waits until it is written whole; a second signal ends watch at once")
    func slowReader() async throws {
        try segment().set(String(repeating: "x", count: 1 << 20))
        let script = """
            mkfifo "$directory/pipe"
            for signals in TERM "TERM HUP"; do
                watch >"$directory/pipe" & process=$!
                exec 3<"$directory/pipe"
                head -c 1 <&3
                for signal in $signals; do kill -$signal $process; until_taken $process; done
                wc -c <&3
                wait $process; echo $?
                exec 3<&-
            done
            """
        let lines = try await run(script).text.split(separator: "\n")
        try #require(lines.count == 4)
        #expect(lines[0] == "x1048576" && lines[1] == "0")
        #expect(lines[2] != "x1048576" && lines[3] == "129", "\(lines)")
    }

    @Test("Signals that watch was started to ignore, as by nohup, stay ignored by it and its command")
    func nohup() async throws {
        try segment().set("x")
        let script = """
            trap '' HUP
            watch --exec sh -c 'kill -HUP $$; touch "$0/$(cat)"; echo here' "$directory" & process=$!
            until_there "$directory/x"; kill -HUP $process; set_text y; until_there "$directory/y"; kill -TERM $process
            wait $process; echo $?
            """
        #expect(try await run(script).text == "here\nhere\n0\n")
    }

    // MARK: The output

    @Test("A reader that leaves while nothing changes ends watch")
    func readerLeaves() async throws {
        try segment().set("x\ny")
        for reader in ["{ head -1; sleep 0.5; }", "head -c 1"] {
            let result = try await run("(watch) | \(reader); echo \" ${PIPESTATUS[0]}\"")
            #expect(result.text == (reader.hasPrefix("{") ? "x\n 0\n" : "x 0\n") && result.errors == "")
        }
    }

    @Test("A reader that leaves while watch waits for a segment ends it too")
    func readerLeavesBefore() async throws {
        #expect(try await run("(watch --wait) | true; echo ${PIPESTATUS[0]}").text == "0\n")
    }

    @Test("Watch also ends when the other end of a socket or terminal is closed")
    func otherOutputs() async throws {
        try segment().set("x")
        let script = """
            import os, pty, socket, subprocess, sys
            ours, theirs = socket.socketpair()
            for ours, theirs in [(ours.detach(), theirs.detach()), pty.openpty()]:
                watch = subprocess.Popen(sys.argv[1:], stdout=theirs)
                os.close(theirs)
                print(os.read(ours, 1))
                os.close(ours)
                print(watch.wait(10))
            """
        let result = try await ChildProcess.run(
            "python3",
            ["-c", script, ChildProcess.product("sharedmem"), "watch", "text", "--directory", directory.path])
        #expect(result.text == "b'x'\n0\nb'x'\n0\n", "\(result.errors)")
    }

    @Test("A reader that leaves in the middle of the text ends watch")
    func readerLeavesAmidText() async throws {
        try segment().set(String(repeating: "x", count: 1 << 20))
        #expect(try await run("(watch) | head -c 1; echo \" ${PIPESTATUS[0]}\"").text == "x 0\n")
    }

    @Test("A closed or full output is a failure and leaves the segment alone")
    func noOutput() async throws {
        try segment().set("x")
        for (output, reason) in [("&-", "Bad file descriptor"), ("/dev/full", "No space left on device")] {
            let result = try await run("(watch >\(output)); echo $?")
            #expect(
                result.text == "1\n" && result.errors == "sharedmem: write: \(reason)\n", "\(result.errors)")
        }
        #expect(try segment().get() == "x")
    }
}
