import ArgumentParser
import LinuxSystem
import SharedMemory

@main
struct SharedMem: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sharedmem",
        abstract: "Share text in a named memory segment among all processes on the host.",
        discussion: """
            get, set, watch and info use the segment directly and need no server.

            Options can also be set in environment variables, which the help of each command names. The command line \
            takes precedence, and an empty variable counts as not set.

            Exit status: 0 for success, 1 for failure, 64 for wrong usage, and 75 if a segment stayed busy: try again.
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

    /// Swift would repair such an argument, and the command would set other text than it was given.
    private static func checkArguments() throws {
        if let index = Host.indexOfArgumentNotUTF8 {
            throw ValidationError(
                "Argument \(index) is not UTF-8: encode it as UTF-8, or give the text on standard input.")
        }
    }
}

/// An error that the command reports in its own words.
struct Failure: Error, CustomStringConvertible {
    let description: String
}
