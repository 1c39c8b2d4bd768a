import LinuxSystem
import SharedMemory

/// A command that runs with the text on its standard input.
struct Hook {
    let words: [String]

    /// Runs the command to its end.
    func run(with snapshot: Snapshot) throws(Failure) -> Program.Outcome {
        Environment["SHAREDMEM_VERSION"] = "\(snapshot.version)"
        do throws(SystemError) {
            return try Program.run(words, input: snapshot.text)
        } catch {
            throw Failure(description: "'\(words[0])' cannot be run: \(error.reason).")
        }
    }
}
