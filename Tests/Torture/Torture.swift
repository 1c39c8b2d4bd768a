import ArgumentParser
import Foundation
import TestSupport

/// Kills and stops processes, at random and at each named step of the protocol, through all doors, and checks after
/// each round what must hold whoever is killed when.
@main
struct Torture: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torture",
        abstract: "Kill processes that use a shared text, and check that nothing breaks.",
        discussion: """
            A round kills one process at each step through each door, and some at any moment, and stops one at each step \
            and lets it go on; then all that was read and set meanwhile is held against the order of versions. Ends with the first failure.
            """,
        subcommands: [Run.self, Worker.self], defaultSubcommand: Run.self)
}

struct Run: AsyncParsableCommand {
    @Option(help: "How many rounds; each kills some 135 processes.")
    var rounds = 100

    @Option(help: "Processes killed at any moment, through each door in each round.")
    var random = 6

    @Option(help: "What the choices begin with; the processes' own times differ from run to run.")
    var seed = UInt64.random(in: 0..<1 << 32)

    @Option(name: .customLong("worker-c"), help: "The compiled worker.c.")
    var cWorker: String

    func run() async throws {
        try await enterMountNamespace()
        print(
            "torture: \(rounds) rounds, --seed \(seed)\(full == nil ? "; no full tmpfs, as none may be mounted" : "")")
        fflush(nil)
        let tally = Tally()
        let start = ContinuousClock.now
        let stage = try Stage(tally, cWorker: cWorker, seed: seed)
        let members = try Members(stage)
        let births = Births(stage: stage)
        let fullMemory = try full.map {
            FullMemory(stage: try Stage(tally, cWorker: cWorker, seed: seed + 1, directory: $0))
        }
        var generator = SplitMix(state: seed)
        for round in 1...max(rounds, 1) {
            let victims =
                Members.steps.flatMap { step in Members.doors(to: step).map { Members.Victim.at(step, $0) } }
                + Members.steps.map { .stoppedAt($0, Members.doors(to: $0).randomElement(using: &generator) ?? .swift) }
                + Door.allCases.flatMap { Array(repeating: .atAnyMoment($0), count: random) }
            do {
                async let crowding: Void = crowd(fullMemory)
                try await members.round(victims.shuffled(using: &generator))
                try await inParallel(Births.victims.shuffled(using: &generator), width: 6) {
                    try await births.kill(at: $0, $1)
                }
                try await crowding
            } catch {
                print("round \(round), --seed \(seed): \(error)\n\(tally.report())")
                throw ExitCode.failure
            }
            if round % 100 == 0 || round == rounds {
                print("round \(round): \(tally.total) killed in \(ContinuousClock.now - start)")
                fflush(nil)
            }
        }
        print(tally.report())
    }

    private func crowd(_ fullMemory: FullMemory?) async throws {
        guard let fullMemory else { return }
        for step in FullMemory.steps {
            for door in Door.readingAndSetting { try await fullMemory.kill(at: step, door) }
        }
    }

    // MARK: A small tmpfs of our own

    private static let marker = "TORTURE_FULL_DIRECTORY"

    private var full: String? { ProcessInfo.processInfo.environment[Self.marker] }

    /// Begins again in a mount namespace with a small tmpfs, if that may be; it is gone with the last process.
    private func enterMountNamespace() async throws {
        guard full == nil, await MountNamespace.isPermitted() else { return }
        let script = """
            mount -t tmpfs -o size=\(FullMemory.byteCount) none /mnt && \(Self.marker)=/mnt exec "$0" "$@"
            """
        var words =
            (["unshare", "--mount", "/bin/sh", "-c", script] + CommandLine.arguments).map { strdup($0) } + [nil]
        execvp("unshare", &words)
        throw Failed(description: "unshare: errno \(errno)")
    }
}
