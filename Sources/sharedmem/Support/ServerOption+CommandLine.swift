package import ArgumentParser
import LinuxSystem
package import SharedMemoryHTTP

extension ServerOption {
    /// The value from the command line or, if there is none, from the environment.
    func value<Value: ExpressibleByArgument>(_ given: Value?) throws -> Value? {
        try given ?? Environment[variable].map(parse)
    }

    /// The number from the command line or, if there is none, from the environment, where bytes may have a unit.
    func number(_ given: Int?) throws -> Int? {
        if let given { return given }
        return valueName == "bytes" ? try value(ByteCount?.none)?.number : try value(Int?.none)
    }

    /// The values from the command line or, if there are none, from the environment, where commas separate them.
    func values<Value: ExpressibleByArgument>(_ given: [Value]) throws -> [Value] {
        guard given.isEmpty, let text = Environment[variable] else { return given }
        return try text.split(separator: ",").map { try parse(String($0)) }
    }

    /// Whether a flag is given on the command line or set in the environment.
    func isSet(_ given: Bool) throws -> Bool {
        guard !given, let text = Environment[variable] else { return given }
        switch text.lowercased() {
        case "1", "true", "yes": return true
        case "0", "false", "no": return false
        default: throw invalid(text)
        }
    }

    /// Where a value comes from, as errors name it: `--tls-cert`, or the variable if the command line has no such option.
    var source: String {
        let flag = "--" + name
        let isGiven = CommandLine.arguments.contains { $0 == flag || $0.hasPrefix(flag + "=") }
        return isGiven || Environment[variable] == nil ? flag : variable
    }

    private func parse<Value: ExpressibleByArgument>(_ text: String) throws -> Value {
        guard let value = Value(argument: text) else { throw invalid(text) }
        return value
    }

    /// The error in the words that the parser uses for an invalid value on the command line.
    private func invalid(_ text: String) -> ValidationError {
        let value = valueName ?? "1|0"
        return ValidationError("The value '\(text)' is invalid for '\(variable)=<\(value)>': \(help)")
    }

    fileprivate var argumentHelp: ArgumentHelp {
        let defaultNote = defaultText.map { "default: \($0), " } ?? ""
        return ArgumentHelp("\(help) (\(defaultNote)env: \(variable))", valueName: valueName)
    }
}

extension Option {
    package init<Wrapped: ExpressibleByArgument>(_ option: ServerOption, completion: CompletionKind? = nil)
    where Value == Wrapped? {
        self.init(name: .customLong(option.name), help: option.argumentHelp, completion: completion)
    }

    package init<Element: ExpressibleByArgument>(wrappedValue: [Element], _ option: ServerOption)
    where Value == [Element] {
        self.init(wrappedValue: wrappedValue, name: .customLong(option.name), help: option.argumentHelp)
    }
}

extension Flag where Value == Bool {
    package init(wrappedValue: Bool, _ option: ServerOption) {
        self.init(wrappedValue: wrappedValue, name: .customLong(option.name), help: option.argumentHelp)
    }
}
