import LinuxSystem
import SharedMemory

/// What `doctor` is asked: which segment, by which process, and for what.
struct Question {
    let place: Segment.Place
    let trustedOwners: Set<TrustedOwner>
    /// Whether the command line names the directory, so that the variable does not count.
    let isDirectoryGiven: Bool
    /// The capacity that a program asks for.
    let capacity: Int?
    /// The length of the text that is to be set.
    let byteCount: Int?
    /// Whether the text is only to be read.
    let isReadOnly: Bool
    /// The process that does not see the same text.
    let other: HostProcess?

    // MARK: Commands for a shell

    /// A command of sharedmem on a segment in a directory.
    func command(_ subcommand: String, _ name: String? = nil, in directory: String? = nil, _ options: String...)
        -> String
    {
        let directory = directory ?? place.directory
        let location =
            isDirectoryGiven || directory != PrivateMemory.directory ? ["--directory", Shell.word(directory)] : []
        return (["sharedmem", subcommand, Shell.word(name ?? place.name)] + location + options).joined(separator: " ")
    }

    /// Creates the segment, with the empty text.
    var create: String { command("set", nil, in: nil, "--text ''") }

    /// Removes what has the segment's name, and creates the segment again.
    var replace: [String] { [command("unlink"), create] }

    /// Gives the segment another mode and keeps its text; `owner` is the user to do so.
    func change(mode: String, owner: UInt32) -> String {
        let trust = owner == 0 ? [] : ["--trust-owner", AccountName.optionValue(ofUser: owner)]
        return ([command("chmod"), mode] + trust).joined(separator: " ")
    }

    /// Whether text is to be set, and not only read.
    var isForSetting: Bool { byteCount != nil && !isReadOnly }

    /// Has this process use another directory.
    func use(_ directory: String) -> String {
        isDirectoryGiven
            ? command("doctor", nil, in: directory) : "export SHAREDMEM_DIRECTORY=" + Shell.word(directory)
    }
}

enum Shell {
    /// A word, quoted if the shell would take it for more.
    static func word(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-+=:,@%".contains($0)) }
        return isPlain ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }
}
