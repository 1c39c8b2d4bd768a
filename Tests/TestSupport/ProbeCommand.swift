/// One thing that the probe, the tests' other process, can be told to do.
///
/// The probe is started as `probe DIRECTORY NAME WORD …`. Swift tests make the words from a value of this type; shell
/// scripts write them out. A command that the probe does not know, or an argument that it cannot read, ends it with status
/// ``InvalidProbeCommand/exitStatus``.
public enum ProbeCommand: Equatable, Sendable {
    public enum Access: String, Sendable { case readWrite, readOnly }
    public enum Lifetime: String, Sendable { case whileAttached, persistent }
    public enum WatchMethod: String, Sendable, CaseIterable { case wait, changes }
    public enum Interruption: String, Sendable { case ignored, interruptibly }
    public enum Presence: String, Sendable { case attached, alone }

    // MARK: Setting
    /// Sets the text and prints its version.
    case set(String)
    /// Sets the text if the version is still the current one.
    case setIf(version: String, String)
    /// Sets text that carries its checksum.
    case setChecksummed(byteCount: Int, seed: UInt64)
    /// Sets a checksummed text for each line of input, which says `BYTES SEED`.
    case setLines
    /// Sets text while a signal arrives every so often.
    case setUnderSignals(intervalMicroseconds: Int, byteCount: Int)
    /// Adds one to the number in the text, by compare-and-set.
    case increment(times: Int)
    /// For each version that a line of input names, sets the text if that version is still current, and prints `won` or `lost`.
    case race(String)
    /// Sets checksummed texts of all sizes for some seconds.
    case write(seconds: Double, maximumByteCount: Int, seed: UInt64)
    /// Sets checksummed texts in `threadCount` threads for each of several attachments, `setCount` texts in each thread.
    case writeThreads(attachmentCount: Int, threadCount: Int, setCount: Int, seed: UInt64)
    /// Fills a tmpfs of 1 MiB with the file `junk`, and goes on setting.
    case fill(junk: String)

    // MARK: Reading
    /// Prints the text.
    case get
    /// Reads one checksummed text; prints its version and whether it was whole.
    case readOnce(Access)
    /// Reads and checks until its input ends.
    case read(Access)
    /// Reads twice with one `Reader`: at once, and when its input has ended.
    case readByReader
    /// Holds a borrow until a line comes, and prints whether the bytes stayed the same.
    case borrow
    /// Nests `count` borrows in one thread until a line comes, and prints whether the bytes stayed the same.
    case keepPins(count: Int)
    /// Keeps `count` readers, each with its pin, until its input ends.
    case keepReaders(count: Int)
    /// Holds `count` borrows, each in a thread of its own, until its input ends.
    case holdPins(count: Int)

    // MARK: Attaching
    /// Stays attached until its input ends.
    case hold(Lifetime = .whileAttached)
    /// Attaches to a persistent segment as soon as the FIFO `gate` is opened for writing, and prints the version.
    case createAtOnce(gate: String)
    /// Ends by `exit` while attached.
    case exitAttached
    /// Ends by `exit` in a signal handler while it attaches and detaches.
    case exitInHandler(afterMicroseconds: Int)
    /// Forks beside threads that attach and detach; prints how many of the children inherited a descriptor.
    case forkBeside(childCount: Int)
    /// Attaches as another user.
    case attachAs(user: UInt32)
    /// Attaches after `mlockall`, which fills all memory that is mapped; prints how much memory the segment uses.
    case lockMemory
    /// Follows the segment, falls back to reading, and prints the text.
    case follow
    /// Prints the version from the segment's info.
    case info
    /// Prints the names in the directory.
    case list
    /// Unlinks the segment.
    case unlink

    // MARK: Waiting
    /// Waits once, and prints how the wait ended.
    case wait(Access, seconds: Double, Interruption = .ignored)
    /// Waits once while a signal arrives every 2 ms, and prints how the wait ended.
    case waitUnderSignals(Access, seconds: Double, Interruption = .ignored)
    /// Prints each version it is told of, until it is killed or fails.
    case watch(Access, WatchMethod)
    /// Sends itself signals that no thread but the library's could take, and prints how many were handled.
    case signalsElsewhere
    /// Waits in `count` threads and `count` tasks until all have heard of a set.
    case crowd(count: Int)
    /// Follows the segment, cancels and detaches, again and again.
    case comeAndGo(rounds: Int)
    /// Drops the last reference to a segment while the library's thread waits, and from a callback of that thread.
    case drop(rounds: Int)

    // MARK: Damage
    /// Makes every call on files whose header is random or broken.
    ///
    /// A round depends only on the seed and its own number, so one round can be repeated.
    case damageHeaders(seed: UInt64, rounds: Int, first: Int = 0)
    /// Makes every call with one byte of the header changed, for each byte in a range, while itself attached or not.
    case damageBytes(from: Int, to: Int, step: Int, Presence)
    /// Makes every call, whatever it says, until its input ends.
    case churn
}

// MARK: Processes

extension ProbeCommand {
    /// The path of the probe in this test's own build.
    public static var executable: String { ChildProcess.product("probe") }

    /// The command line after the executable.
    public func arguments(_ directory: String, _ name: String) -> [String] { [directory, name] + words }
}

extension ChildProcess {
    /// Starts a probe that works on the segment `name`.
    public static func probe(
        _ command: ProbeCommand, _ directory: TemporaryDirectory, _ name: String = "text",
        environment: [String: String] = [:]
    ) throws -> ChildProcess {
        try ChildProcess(ProbeCommand.executable, command.arguments(directory.path, name), environment: environment)
    }
}
