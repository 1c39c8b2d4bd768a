import ArgumentParser
import LinuxSystem
import SharedMemory
import SharedMemoryHTTP
import SharedMemoryKeep

struct RevertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert", abstract: "Set the text to that of a version that a server keeps on disk.",
        discussion: """
            The text is set as a new version. 'sharedmem history' lists the kept versions. Creates the segment if it does \
            not exist.
            """)

    @OptionGroup var segment: RevertArguments
    @OptionGroup var location: SegmentLocation

    @OptionGroup var setting: SettingOptions

    func run() throws {
        let (kept, storage) = try segment.kept()
        var options = AttachmentOptions(
            lifetime: .persistent, directory: location.directory, trustedOwners: try location.trusted)
        options.isOperator = true
        let attached = try Archive.attach(kept.name, options, capacity: kept.capacity)
        let outcome = try Archive.withText(of: kept, in: storage) { text in
            Result { () throws(SegmentError) in try attached.set(utf8: text, ifVersion: setting.expected) }
        }
        guard case .success(let result)? = outcome else {
            throw KeepError.notKept(name: kept.name, version: kept.version, found: [])
        }
        try setting.outcome.report(try result.get(), of: attached.name)
    }
}

/// The arguments that name a kept version.
struct RevertArguments: ParsableArguments {
    @Argument(help: "The segment's name.", completion: .segments)
    var name: String

    @Argument(help: ArgumentHelp("The version to go back to, such as bf51aad6d45c6afb-1.", valueName: "version"))
    var version: Version

    @Option(.keep, completion: .directory) var directory: String?

    func kept() throws -> (KeptVersion, DiskStorage) { try KeptSegmentArguments(name, in: directory).kept(version) }
}
