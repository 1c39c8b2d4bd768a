import ArgumentParser
import SharedMemory

@main
struct SharedMem: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sharedmem",
        abstract: "One named text in shared memory, which every process on the host can read and set.",
        discussion: """
            get and set go to the segment itself; no server is needed for them.

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
            ServeCommand.self, GetCommand.self, SetCommand.self, InfoCommand.self, ListCommand.self,
            UnlinkCommand.self, HealthcheckCommand.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let error as SegmentError {
            fail(error)
        } catch let error as Failure {
            fail(error)
        } catch {
            exit(withError: error)
        }
    }

    private static func fail(_ error: any Error) -> Never {
        StandardStream.error.write("sharedmem: \(error)\n")
        exit(withError: isBusy(error) ? ExitCode(75) : .failure)
    }

    private static func isBusy(_ error: any Error) -> Bool {
        if case .busy? = error as? SegmentError { true } else { false }
    }
}

/// Something other than a segment was in the way.
struct Failure: Error, CustomStringConvertible {
    let description: String
}
