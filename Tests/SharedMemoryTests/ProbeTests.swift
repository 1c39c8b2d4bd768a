import TestSupport
import TestTraits
import Testing

@Suite("The probe's commands", .fewAtATime)
struct ProbeTests {
    static let commands: [ProbeCommand] = [
        .set("two words"), .setIf(version: "00000000000000ff-3", "x"), .setChecksummed(byteCount: 4096, seed: .max),
        .setLines, .setUnderSignals(intervalMicroseconds: 2000, byteCount: 1), .increment(times: 500), .race("local"),
        .write(seconds: 0.5, maximumByteCount: 1 << 20, seed: 7),
        .writeThreads(attachmentCount: 1, threadCount: 2, setCount: 3, seed: 4), .fill(junk: "/mnt/junk"),
        .get, .readOnce(.readOnly), .read(.readWrite), .readByReader, .borrow, .keepPins(count: 64),
        .keepReaders(count: 1), .holdPins(count: 2), .hold(), .hold(.persistent), .createAtOnce(gate: "/mnt/gate"),
        .exitAttached, .exitInHandler(afterMicroseconds: 10), .forkBeside(childCount: 3), .attachAs(user: 12_345),
        .lockMemory, .info, .list, .unlink, .wait(.readOnly, seconds: 30),
        .wait(.readWrite, seconds: 1, .interruptibly),
        .waitUnderSignals(.readWrite, seconds: 0.2), .watch(.readOnly, .changes), .signalsElsewhere, .crowd(count: 9),
        .comeAndGo(rounds: 1), .drop(rounds: 2), .damageHeaders(seed: 1, rounds: 2, first: 3),
        .damageBytes(from: 0, to: 200, step: 1, .attached), .churn,
    ]

    @Test("A command is read back from its words", arguments: commands)
    func roundTrip(_ command: ProbeCommand) throws {
        #expect(try ProbeCommand(words: command.words) == command)
    }

    @Test(
        "A command that the probe cannot read ends it with status 64 and a message that says why",
        arguments: [
            ([], "usage: probe DIRECTORY NAME COMMAND [ARGUMENT …]"),
            (["sett", "x"], "'sett' is not a command"),
            (["increment", "1O"], "increment: argument 1, '1O', is not a valid Int"),
            (["attach-as", "-1"], "attach-as: argument 1, '-1', is not a valid UInt32"),
            (["write", "1", "100"], "write: argument 3, of type UInt64, is missing"),
            (["read-once", "readonly"], "read-once: argument 1, 'readonly', is not a valid Access"),
            (["get", "x"], "get: 'x' is one argument too many"),
        ])
    func invalid(_ words: [String], _ reason: String) async throws {
        let directory = try TemporaryDirectory()
        let result = try await ChildProcess.run(ProbeCommand.executable, [directory.path, "text"] + words)
        #expect(result.status == 64 && !result.wasKilled && result.errors == "probe: \(reason)\n", "\(result)")
        #expect(try directory.names == [], "it did something")
    }
}
