import ArgumentParser
import LinuxSystem
import SharedMemory

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Find out why two processes do not see the same text.",
        discussion: """
            Run it on the side that does not see the text: as that user, and in that directory, environment and container. \
            With the id of another process, it compares the two; otherwise it looks at all processes that may be involved. \
            It prints what it saw, why that matters, and the command that repairs it.

            It only looks: it creates and changes nothing, and attaches to nothing.

            Exit status: 0 if nothing is wrong, 1 if something is, 64 for wrong usage.
            """)

    @Argument(
        help: "The segment's name. (default: shared, env: SHAREDMEM_NAME)",
        completion: .segments)
    var segment: String?

    @Argument(help: "The id of the other process. A number alone is an id: for a segment of that name, use --name.")
    var pid: Int?

    @Option(help: "Another way to give the segment's name.", completion: .segments)
    var name: String?

    @OptionGroup var location: SegmentLocation

    @Option(help: ArgumentHelp("The capacity that a program asks for, such as 64M.", valueName: "bytes"))
    var capacity: ByteCount?

    @Option(help: ArgumentHelp("The length of the text that is to be set, such as 64M.", valueName: "bytes"))
    var length: ByteCount?

    @Flag(help: "The program only reads, so it is no problem if it cannot set the text.")
    var readOnly = false

    @Flag(help: "Print a JSON array of findings.")
    var json = false

    func run() throws {
        let question = try question()
        let diagnosis = try Progress.show("Looking at the processes on this host") { _ in try Diagnosis(question) }
        try ByteStream.standardOutput.write(json ? try encoded(diagnosis.findings) : diagnosis.page)
        if diagnosis.hasProblems { throw ExitCode.failure }
    }

    private func question() throws -> Question {
        let (chosen, processID) = try words()
        let other = processID.flatMap { HostProcess($0) }
        if let processID, other == nil { throw ValidationError("There is no process \(processID) here.") }
        // A wrong name there is wrong usage, which looking at the segment would not explain.
        _ = try TrustedOwner.inEnvironment()
        return Question(
            place: try Segment.place(chosen, directory: location.directory), trustedOwners: try location.trusted,
            isDirectoryGiven: location.isDirectoryGiven, capacity: capacity?.number, byteCount: length?.number,
            isReadOnly: readOnly, other: other)
    }

    /// The name and the process that the arguments stand for.
    private func words() throws -> (name: String?, processID: Int?) {
        guard let segment else { return (name, pid) }
        // A number alone, or beside --name.
        if pid == nil, let number = Int(segment) { return (name, number) }
        guard name == nil else { throw ValidationError("Give the name once: as an argument or as --name.") }
        return (segment, pid)
    }
}
