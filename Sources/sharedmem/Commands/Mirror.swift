import ArgumentParser
import LinuxSystem
import SharedMemory

struct MirrorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mirror", abstract: "Set the text of a file whenever the file changes.",
        discussion: """
            Sets the file's text at once, and again each time that the file is written, replaced or renamed, or that a \
            symbolic link on the way to it leads elsewhere, as when Kubernetes updates a mounted ConfigMap. Creates the \
            segment if it does not exist, or no longer does. If the segment has the file's text already, nothing is set.

            A file that cannot be set is reported on standard error, and the segment keeps its text: a file that is missing, \
            empty, too long, not UTF-8 or still being written. The next change of the file is tried again.

            The file comes first: text that another process sets lasts until the file changes.

            SIGINT, SIGTERM or SIGHUP ends mirror with status 0. The segment stays.
            """)

    @Argument(help: "The segment's name.", completion: .segments)
    var name: String

    @Argument(help: "The file to follow.", completion: .file())
    var file: String

    @OptionGroup var location: SegmentLocation
    @OptionGroup var creation: CreationOptions

    @Flag(help: "Set the empty text if the file is empty, which is reported otherwise.")
    var empty = false

    @Flag(name: .shortAndLong, help: "Print each version number on standard error.")
    var verbose = false

    func validate() throws {
        if file.isEmpty { throw ValidationError("The file's name is empty: name the file to follow.") }
    }

    func run() throws {
        TerminationSignals.handle()
        let target = SegmentTarget(name: name, options: try location.options(creating: creation))
        // A wrong name is wrong usage, whatever the file is.
        _ = try Segment.place(name, directory: location.directory)
        var mirror = FileMirror(file, in: target, takesEmpty: empty)
        var watch: FileWatch?
        var fault: String?
        var hasNews = false
        while !TerminationSignals.wereReceived {
            // Before the file is read, so that no change after that is missed. If the system cannot watch, looks have to do.
            if watch == nil { watch = try? FileWatch([file]) }
            if hasNews || mirror.isBehind { try update(&mirror, &fault) }
            // A second at a time, to notice a signal that came just before, and what the system does not report.
            if let watch {
                hasNews = watch.wait(timeoutMilliseconds: 1000)
            } else {
                BackgroundThread.pause(milliseconds: 1000)
            }
        }
    }

    /// Sets the file's text, and reports what keeps it from being set, each fault once.
    private func update(_ mirror: inout FileMirror, _ fault: inout String?) throws {
        do {
            let version = try mirror.update()
            if fault != nil { report("sharedmem: '\(name)' has the text of \(file) again.") }
            if verbose, let version { report("\(version)") }
            fault = nil
        } catch let failure as Failure {
            if failure.description != fault { report("sharedmem: \(failure)") }
            fault = failure.description
        }
    }

    /// Writes a line on standard error; if that is full or closed, the mirror goes on.
    private func report(_ line: String) { try? ByteStream.standardError.write(line + "\n", isInterruptible: true) }
}
