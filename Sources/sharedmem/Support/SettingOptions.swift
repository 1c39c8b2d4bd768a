import ArgumentParser
import LinuxSystem
import SharedMemory

/// How commands that set the text report its version.
struct OutcomeOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Print the new version on standard error.")
    var verbose = false

    @Flag(help: "Print the name and the new version as a JSON object.")
    var json = false

    func report(_ version: Version, of name: String) throws {
        if json {
            struct Outcome: Encodable {
                let name: String
                let version: String
            }
            try ByteStream.standardOutput.write(encoded(Outcome(name: name, version: "\(version)")))
        }
        if verbose { try ByteStream.standardError.write("\(version)\n") }
    }
}

/// What `set` and `revert` have in common.
struct SettingOptions: ParsableArguments {
    @Option(
        name: .customLong("if-version"),
        help: ArgumentHelp(
            "Set the text only if this is still its version, such as bf51aad6d45c6afb-1, which get -v prints.",
            valueName: "instance-number"))
    var expected: Version?

    @OptionGroup var outcome: OutcomeOptions
}
