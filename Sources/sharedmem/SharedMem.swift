import ArgumentParser
import LinuxSystem
import SharedMemory

@main
struct SharedMem: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sharedmem",
        abstract: "One named text in shared memory, which every process on the host can read and set.",
        discussion: """
            get, set and watch go to the segment itself; no server is needed for them.

            Environment, below the options:
              SHAREDMEM_NAME        the segment's name (shared)
              SHAREDMEM_DIRECTORY   where segments are, on a tmpfs (/dev/shm)
              SHAREDMEM_CAPACITY    bytes, of a segment to be created (1048576)
              SHAREDMEM_LISTEN      for serve: ADDRESS,… (127.0.0.1:8080)
              SHAREDMEM_TOKEN_FILE  for serve: the file of --token-file

            Exit status: 0, or 1 failed, 64 wrong usage, 75 others were in the way: try again.
            """,
        version: "0.1.0",
        subcommands: [
            ServeCommand.self, GetCommand.self, SetCommand.self, WatchCommand.self, InfoCommand.self, ListCommand.self,
            UnlinkCommand.self, HealthcheckCommand.self,
        ])

    static func main() {
        do {
            try checkArguments()
            var command = try parseAsRoot()
            try command.run()
        } catch let error as SegmentError {
            fail(error)
        } catch let error as Failure {
            fail(error)
        } catch let error as SystemError {
            fail(Failure(description: "\(error.call): \(error.reason)"))
        } catch {
            exit(withError: error)
        }
    }

    private static func fail(_ error: any Error) -> Never {
        try? ByteStream.standardError.write("sharedmem: \(error)\n")
        if case .notFound(_, let directory, _)? = error as? SegmentError,
            let hint = PrivateMemory.hint(notFoundIn: directory)
        {
            try? ByteStream.standardError.write("\(hint)\n")
        }
        exit(withError: status(of: error))
    }

    private static func status(of error: any Error) -> ExitCode {
        switch error as? SegmentError {
        case .busy: ExitCode(75)
        case .invalidName, .invalidCapacity, .invalidEnvironment: .validationFailure
        default: .failure
        }
    }

    /// An argument that Swift has repaired would set other text than was given.
    private static func checkArguments() throws {
        if let index = Host.indexOfArgumentNotUTF8 {
            throw ValidationError("Argument \(index) is not UTF-8: encode it so, or give the text on standard input.")
        }
    }
}

/// Something other than a segment was in the way.
struct Failure: Error, CustomStringConvertible {
    let description: String
}
