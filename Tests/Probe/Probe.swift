import Foundation
import SharedMemory
import TestSupport

/// The other process of the tests: it attaches, sets, reads and dies as a test tells it to.
@main
struct Probe {
    let directory: String
    let name: String

    static func main() {
        do {
            let (probe, command) = try parse(arguments)
            try probe.run(command)
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            exit(error is InvalidProbeCommand ? InvalidProbeCommand.exitStatus : 1)
        }
    }

    /// Swift finds no arguments where there is no /proc; there, a test puts them in the environment.
    private static var arguments: [String] {
        ProcessInfo.processInfo.environment["PROBE_ARGUMENTS"]?.components(separatedBy: " ") ?? CommandLine.arguments
    }

    private static func parse(_ arguments: [String]) throws -> (Probe, ProbeCommand) {
        let command = try ProbeCommand(words: arguments.dropFirst(3))
        return (Probe(directory: arguments[1], name: arguments[2]), command)
    }

    private func run(_ command: ProbeCommand) throws {
        switch command {
        case .set(let text): try set(text)
        case .setIf(let version, let text): try setIf(Self.version(version), text)
        case .setChecksummed(let byteCount, let seed): try setChecksummed(byteCount, seed)
        case .setLines: try setLines()
        case .setUnderSignals(let interval, let byteCount): try setUnderSignals(every: interval, byteCount)
        case .increment(let times): try increment(times: times)
        case .race(let text): try race(text)
        case .write(let seconds, let maximum, let seed): try write(seconds: seconds, maximum, seed)
        case .writeThreads(let attachments, let threads, let sets, let seed):
            try writeThreads(attachments, threads, sets, seed)
        case .fill(let junk): try fill(junk)
        case .get: try get()
        case .readOnce(let access): try readOnce(access)
        case .read(let access): try read(access)
        case .readByReader: try readByReader()
        case .borrow: try borrow()
        case .keepPins(let count): try keepPins(count)
        case .keepReaders(let count): try keepReaders(count)
        case .holdPins(let count): try holdPins(count)
        case .hold(let lifetime): try hold(lifetime)
        case .createAtOnce(let gate): try createAtOnce(gate)
        case .exitAttached: try exitAttached()
        case .exitInHandler(let microseconds): try exitInHandler(afterMicroseconds: microseconds)
        case .forkBeside(let count): try forkBeside(count)
        case .attachAs(let user): try attachAs(user)
        case .lockMemory: try lockMemory()
        case .info: try Self.say(Segment.info(name, directory: directory).version)
        case .list: try Self.say(Segment.list(directory: directory).joined(separator: " "))
        case .unlink: try Segment.unlink(name, directory: directory)
        case .wait(let access, let seconds, let interruption): try wait(access, seconds, interruption)
        case .waitUnderSignals(let access, let seconds, let interruption):
            try waitUnderSignals(access, seconds, interruption)
        case .follow: try follow()
        case .watch(let access, let method): try watch(access, method)
        case .signalsElsewhere: try signalsElsewhere()
        case .crowd(let count): try crowd(count)
        case .comeAndGo(let rounds): try comeAndGo(rounds)
        case .drop(let rounds): try drop(rounds)
        case .damageHeaders(let seed, let rounds, let first): try damageHeaders(seed, first..<first + rounds)
        case .damageBytes(let from, let to, let step, let presence):
            try damageBytes(at: stride(from: from, to: to, by: step), presence)
        case .churn: try churn()
        }
    }
}

// MARK: - What commands have in common

extension Probe {
    /// The segment's file.
    var path: String { "\(directory)/\(name).sharedmem" }

    func options(_ access: Access = .readWrite, _ lifetime: Lifetime = .whileAttached) -> AttachmentOptions {
        AttachmentOptions(access: access, lifetime: lifetime, directory: directory)
    }

    func attach(_ access: ProbeCommand.Access = .readWrite) throws(SegmentError) -> Segment {
        try Segment.attach(name, options(access == .readOnly ? .readOnly : .readWrite))
    }

    /// Prints a line that the test sees at once.
    static func say(_ text: some Any, terminator: String = "\n") {
        print(text, terminator: terminator)
        fflush(nil)
    }

    static func version(_ word: String) throws -> Version {
        guard let version = Version(word) else { throw Failure(description: "'\(word)' is not a version") }
        return version
    }

    /// Returns when the test closes standard input.
    static func waitForEndOfInput() { while getchar() != EOF {} }

    /// Whether the test has written a line, or has closed standard input.
    static var hasInput: Bool {
        var input = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        return poll(&input, 1, 0) > 0
    }

    /// Sends this process SIGALRM after so many microseconds and, if it `repeats`, at that interval; 0 ends it.
    static func alarm(afterMicroseconds microseconds: Int, repeats: Bool = false) {
        var interval = itimerval()
        interval.it_value.tv_usec = suseconds_t(microseconds)
        if repeats { interval.it_interval = interval.it_value }
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &interval, nil)
    }
}

/// An end of the probe that the library has no error for.
struct Failure: Error, CustomStringConvertible {
    let description: String
}
