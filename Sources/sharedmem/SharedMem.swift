import ArgumentParser
import LinuxSystem
import SharedMemory
import SharedMemoryHTTP
import SharedMemoryKeep

@main
struct SharedMem: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sharedmem", abstract: "Share text in a named memory segment among all processes on the host.",
        discussion: """
            get, set, watch and info use the segment directly and need no server.

            Options can also be set in environment variables, which the help of each command names. The command line \
            takes precedence, and an empty variable counts as not set.

            Exit status: 0 for success, 1 for failure, 64 for wrong usage, and 75 if a segment stayed busy: try again.
            """,
        version: Release.version,
        subcommands: [
            ServeCommand.self, GetCommand.self, SetCommand.self, EditCommand.self, DiffCommand.self, WatchCommand.self,
            MirrorCommand.self, InfoCommand.self, ListCommand.self, TopCommand.self, ChmodCommand.self,
            UnlinkCommand.self, ReleaseCommand.self, MigrateCommand.self, HistoryCommand.self, RevertCommand.self,
            DoctorCommand.self,
            HealthcheckCommand.self, VersionCommand.self,
        ])

    static func main() {
        Host.openStandardStreams()
        do {
            // Swift would repair such an argument, and the command would set other text than it was given.
            if let index = Host.indexOfArgumentNotUTF8 {
                throw ValidationError(
                    "Argument \(index) is not UTF-8: encode it as UTF-8, or give the text on standard input.")
            }
            try UnknownSubcommand.check(CommandLine.arguments)
            var command = try parseAsRoot()
            do {
                try command.run()
            } catch let error as ValidationError {
                fail(error, usage: type(of: command))
            }
        } catch let error
            where error is SegmentError || error is HealthcheckError || error is KeepError || error is SystemError
            || error is Failure || error is RemoteError
        {
            fail(error)
        } catch {
            exit(withError: error)
        }
    }

    /// Reports wrong usage that shows only when a command runs, in the words of the parser, and ends the process.
    private static func fail(_ error: ValidationError, usage command: any ParsableCommand.Type) -> Never {
        let name = command.configuration.commandName ?? ""
        let message = """
            Error: \(error.message)
            Usage: \(usageString(for: command))
              See 'sharedmem \(name) --help' for more information.

            """
        try? ByteStream.standardError.write(message)
        exit(withError: ExitCode.validationFailure)
    }

    /// Reports an error and ends the process.
    ///
    /// - Parameter chosen: the exit status; nil for the one that the error has in all commands.
    static func fail(_ error: any Error, status chosen: ExitCode? = nil) -> Never {
        let words = (error as? SystemError).map { "\($0.call): \($0.reason)" } ?? "\(error)"
        var (message, status) = ("sharedmem: \(words)\n", ExitCode.failure)
        switch error as? SegmentError {
        case .notFound(_, let directory, _): message += PrivateMemory.hint(notFoundIn: directory)
        case .busy: status = ExitCode(75)
        case let error? where error.isWrongUsage: status = .validationFailure
        default: break
        }
        try? ByteStream.standardError.write(message)
        exit(withError: chosen ?? status)
    }
}

extension SegmentError {
    /// Whether the command line or the environment has something that is never possible.
    var isWrongUsage: Bool {
        switch self {
        case .invalidName, .invalidCapacity, .invalidEnvironment, .unknownUser, .unknownGroup: true
        default: false
        }
    }
}

/// An error that the command reports in its own words.
struct Failure: Error, CustomStringConvertible { let description: String }
