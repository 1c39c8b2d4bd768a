import ArgumentParser
import Foundation
import TestSupport

/// Kills and stops processes, anywhere and at each pause point of the protocol, through every interface, and checks after
/// each round that every promise still holds.
@main
struct Torture: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torture",
        abstract: "Kill processes that use a shared text, and check that nothing breaks.",
        discussion: """
            A round kills one process at each pause point through each interface, and some anywhere. It also stops one \
            process at each point and resumes it. It then checks all reads and sets against the order of versions. The \
            run ends with the first failure.
            """,
        subcommands: [Run.self, Worker.self], defaultSubcommand: Run.self)
}

struct Run: AsyncParsableCommand {
    @Option(help: "The number of rounds; each kills about 135 processes.")
    var rounds = 100

    @Option(name: .customLong("random"), help: "The number of processes killed anywhere, for each interface and round.")
    var anywhere = 6

    @Option(help: "The seed of all choices; timing still differs from run to run.")
    var seed = UInt64.random(in: 0..<1 << 32)

    @Option(name: .customLong("worker-c"), help: "The path of the worker in C.")
    var cWorker: String

    func run() async throws {
        try await enterMountNamespace()
        print(
            "torture: \(rounds) rounds, --seed \(seed)\(full == nil ? "; no full tmpfs, because mounting one is not permitted" : "")"
        )
        fflush(nil)
        let tally = Tally()
        let start = ContinuousClock.now
        let stage = try Stage(tally, cWorker: cWorker, seed: seed)
        let members = try Members(stage)
        let lifetimes = Lifetimes(stage: stage)
        let fullMemory = try full.map {
            FullMemory(stage: try Stage(tally, cWorker: cWorker, seed: seed + 1, directory: $0))
        }
        var generator = SplitMix(state: seed)
        for round in 1...max(rounds, 1) {
            let victims = Members.victims(anywhere: anywhere, &generator).shuffled(using: &generator)
            do {
                async let crowding: Void = crowd(fullMemory)
                try await members.round(victims)
                try await inParallel(Lifetimes.victims.shuffled(using: &generator), width: 6) {
                    try await lifetimes.kill(at: $0, $1)
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
        for point in FullMemory.points {
            for interface in Interface.readingAndSetting { try await fullMemory.kill(at: point, interface) }
        }
    }

    // MARK: A small tmpfs

    private static let marker = "TORTURE_FULL_DIRECTORY"

    private var full: String? { ProcessInfo.processInfo.environment[Self.marker] }

    /// Starts this program again in a mount namespace with a small tmpfs, if that is permitted.
    ///
    /// The tmpfs goes with the last process.
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
