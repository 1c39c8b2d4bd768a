import LinuxSystem
import SharedMemory
import SharedMemoryHTTP

/// The options of `serve` with their values and where these come from, for every option in ``ServerOption/all``.
///
/// The words of the command line are read again here, after the parser has accepted them. Otherwise each option would have to
/// be named here too, and a new one could be forgotten.
struct EffectiveConfiguration {
    let configuration: ServerConfiguration
    let bytesInFlight: Int
    /// Whether the command line names the segments.
    let namesAreGiven: Bool
    private let given: [String: [String]]

    struct Setting: Encodable {
        let option: String
        let variable: String
        /// As the variable takes it; nil if the option has no value.
        let value: String?
        let source: Source

        enum Source: String, Encodable {
            case `default`, environment, commandLine, commandLineAndEnvironment, serviceManager
        }

        /// For people.
        var origin: String {
            switch source {
            case .default: "default"
            case .environment: "environment \(variable)"
            case .commandLine: "command line"
            case .commandLineAndEnvironment: "command line and environment \(variable)"
            case .serviceManager: "service manager"
            }
        }
    }

    init(_ configuration: ServerConfiguration, bytesInFlight: Int, namesAreGiven: Bool) {
        self.configuration = configuration
        self.namesAreGiven = namesAreGiven
        self.bytesInFlight = bytesInFlight
        given = Self.values(in: CommandLine.arguments)
    }

    var settings: [Setting] {
        get throws {
            let variable = "SHAREDMEM_NAME"
            let source: Setting.Source =
                namesAreGiven ? .commandLine : Environment[variable] == nil ? .default : .environment
            let names = configuration.segments.joined(separator: ",")
            return [Setting(option: "name", variable: variable, value: names, source: source)]
                + (try ServerOption.all.map(setting))
        }
    }

    private func setting(_ option: ServerOption) throws -> Setting {
        let (words, variable) = (given[option.name], Environment[option.variable])
        let (value, source): (String?, Setting.Source)
        switch (words, variable) {
        case (nil, nil) where option.name == ServerOption.listen.name && !configuration.listeningSockets.isEmpty:
            (value, source) = (text(configuration.inheritedAddresses), .serviceManager)
        case (nil, nil): (value, source) = (defaultText(of: option), .default)
        case (nil, let variable?): (value, source) = (try text(option, [variable]), .environment)
        // Owners in the variable are trusted in addition.
        case (let words?, let variable?) where option.name == ServerOption.trustOwner.name:
            (value, source) = (try text(option, words + [variable]), .commandLineAndEnvironment)
        case (let words?, _): (value, source) = (try text(option, words), .commandLine)
        }
        return Setting(option: option.name, variable: option.variable, value: value, source: source)
    }

    // MARK: Values

    private func text(_ option: ServerOption, _ words: [String]) throws -> String {
        if option.valueName == nil { return try option.isSet(given[option.name] != nil) ? "yes" : "no" }
        if option.range == nil { return words.joined(separator: ",") }
        // The capacity in the environment is the library's.
        let number = option.number(in: configuration) ?? words.last.flatMap { Int(byteCount: $0) }
        return number.map(String.init) ?? words.joined(separator: ",")
    }

    private func defaultText(of option: ServerOption) -> String? {
        switch option.name {
        case ServerOption.watchers.name: "\(configuration.effectiveWatcherLimit)"
        case ServerOption.bytesInFlight.name: "\(bytesInFlight)"
        case ServerOption.socketMode.name: String(configuration.effectiveSocketMode, radix: 8)
        case ServerOption.logFormat.name: LogFormat.default.rawValue
        default: option.valueName == nil ? "no" : option.defaultText
        }
    }

    private func text(_ addresses: [ListenAddress]) -> String { addresses.map(\.description).joined(separator: ",") }

    // MARK: The command line

    /// The values of each option on a command line that the parser has accepted; a flag has none.
    private static func values(in arguments: [String]) -> [String: [String]] {
        let options = Dictionary(ServerOption.all.map { ($0.name, $0) }) { first, _ in first }
        var values: [String: [String]] = [:]
        var rest = arguments.dropFirst()
        while let word = rest.popFirst(), word != "--" {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard word.hasPrefix("--"), let option = options[String(parts[0].dropFirst(2))] else { continue }
            let value = parts.count == 2 ? String(parts[1]) : option.valueName == nil ? nil : rest.popFirst()
            values[option.name, default: []] += value.map { [$0] } ?? []
        }
        return values
    }

    // MARK: For people

    static func table(_ settings: [Setting]) -> String {
        Table.text([["OPTION", "VALUE", "FROM"]] + settings.map { [$0.option, $0.value ?? "-", $0.origin] })
    }
}
