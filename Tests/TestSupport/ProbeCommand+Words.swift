extension ProbeCommand {
    /// The command's name and its arguments.
    public var words: [String] {
        switch self {
        case .set(let text): ["set", text]
        case .setIf(let version, let text): ["set-if", version, text]
        case .setChecksummed(let byteCount, let seed): ["set-checksummed", "\(byteCount)", "\(seed)"]
        case .setLines: ["set-lines"]
        case .setUnderSignals(let interval, let byteCount): ["set-under-signals", "\(interval)", "\(byteCount)"]
        case .increment(let times): ["increment", "\(times)"]
        case .race(let text): ["race", text]
        case .write(let seconds, let maximum, let seed): ["write", "\(seconds)", "\(maximum)", "\(seed)"]
        case .writeThreads(let attachments, let threads, let sets, let seed):
            ["write-threads", "\(attachments)", "\(threads)", "\(sets)", "\(seed)"]
        case .fill(let junk): ["fill", junk]
        case .get: ["get"]
        case .readOnce(let access): ["read-once", access.rawValue]
        case .read(let access): ["read", access.rawValue]
        case .readByReader: ["read-by-reader"]
        case .borrow: ["borrow"]
        case .keepPins(let count): ["keep-pins", "\(count)"]
        case .keepReaders(let count): ["keep-readers", "\(count)"]
        case .holdPins(let count): ["hold-pins", "\(count)"]
        case .hold(let lifetime): ["hold", lifetime.rawValue]
        case .createAtOnce(let gate): ["create-at-once", gate]
        case .exitAttached: ["exit-attached"]
        case .exitInHandler(let microseconds): ["exit-in-handler", "\(microseconds)"]
        case .forkBeside(let count): ["fork-beside", "\(count)"]
        case .attachAs(let user): ["attach-as", "\(user)"]
        case .lockMemory: ["lock-memory"]
        case .info: ["info"]
        case .list: ["list"]
        case .unlink: ["unlink"]
        case .wait(let access, let seconds, let interruption):
            ["wait", access.rawValue, "\(seconds)", interruption.rawValue]
        case .waitUnderSignals(let access, let seconds, let interruption):
            ["wait-under-signals", access.rawValue, "\(seconds)", interruption.rawValue]
        case .watch(let access, let method): ["watch", access.rawValue, method.rawValue]
        case .follow: ["follow"]
        case .signalsElsewhere: ["signals-elsewhere"]
        case .crowd(let count): ["crowd", "\(count)"]
        case .comeAndGo(let rounds): ["come-and-go", "\(rounds)"]
        case .drop(let rounds): ["drop", "\(rounds)"]
        case .damageHeaders(let seed, let rounds, let first): ["damage-headers", "\(seed)", "\(rounds)", "\(first)"]
        case .damageBytes(let from, let to, let step, let presence):
            ["damage-bytes", "\(from)", "\(to)", "\(step)", presence.rawValue]
        case .churn: ["churn"]
        }
    }

    /// Reads a command's name and its arguments.
    public init(words: some Collection<String>) throws(InvalidProbeCommand) {
        guard let name = words.first else {
            throw InvalidProbeCommand("usage: probe DIRECTORY NAME COMMAND [ARGUMENT …]")
        }
        var rest = Arguments(of: name, words.dropFirst())
        switch name {
        case "set": self = try .set(rest.next())
        case "set-if": self = try .setIf(version: rest.next(), rest.next())
        case "set-checksummed": self = try .setChecksummed(byteCount: rest.next(), seed: rest.next())
        case "set-lines": self = .setLines
        case "set-under-signals":
            self = try .setUnderSignals(intervalMicroseconds: rest.next(), byteCount: rest.next())
        case "increment": self = try .increment(times: rest.next())
        case "race": self = try .race(rest.next())
        case "write": self = try .write(seconds: rest.next(), maximumByteCount: rest.next(), seed: rest.next())
        case "write-threads":
            self = try .writeThreads(
                attachmentCount: rest.next(), threadCount: rest.next(), setCount: rest.next(), seed: rest.next())
        case "fill": self = try .fill(junk: rest.next())
        case "get": self = .get
        case "read-once": self = try .readOnce(rest.next())
        case "read": self = try .read(rest.next())
        case "read-by-reader": self = .readByReader
        case "borrow": self = .borrow
        case "keep-pins": self = try .keepPins(count: rest.next())
        case "keep-readers": self = try .keepReaders(count: rest.next())
        case "hold-pins": self = try .holdPins(count: rest.next())
        case "hold": self = try .hold(rest.next())
        case "create-at-once": self = try .createAtOnce(gate: rest.next())
        case "exit-attached": self = .exitAttached
        case "exit-in-handler": self = try .exitInHandler(afterMicroseconds: rest.next())
        case "fork-beside": self = try .forkBeside(childCount: rest.next())
        case "attach-as": self = try .attachAs(user: rest.next())
        case "lock-memory": self = .lockMemory
        case "info": self = .info
        case "list": self = .list
        case "unlink": self = .unlink
        case "wait": self = try .wait(rest.next(), seconds: rest.next(), rest.next())
        case "wait-under-signals": self = try .waitUnderSignals(rest.next(), seconds: rest.next(), rest.next())
        case "watch": self = try .watch(rest.next(), rest.next())
        case "follow": self = .follow
        case "signals-elsewhere": self = .signalsElsewhere
        case "crowd": self = try .crowd(count: rest.next())
        case "come-and-go": self = try .comeAndGo(rounds: rest.next())
        case "drop": self = try .drop(rounds: rest.next())
        case "damage-headers": self = try .damageHeaders(seed: rest.next(), rounds: rest.next(), first: rest.next())
        case "damage-bytes":
            self = try .damageBytes(from: rest.next(), to: rest.next(), step: rest.next(), rest.next())
        case "churn": self = .churn
        default: throw InvalidProbeCommand("'\(name)' is not a command")
        }
        try rest.end()
    }
}

/// A command line that the probe cannot carry out.
public struct InvalidProbeCommand: Error, Equatable, CustomStringConvertible {
    /// `EX_USAGE`: no test takes it for a refusal by the library, which is 1.
    public static let exitStatus: Int32 = 64

    public let description: String

    init(_ reason: String) { description = "probe: \(reason)" }
}

/// The arguments of one command, read from first to last.
private struct Arguments {
    private let command: String
    private let words: [String]
    private var index = 0

    init(of command: String, _ words: some Collection<String>) {
        self.command = command
        self.words = Array(words)
    }

    mutating func next<Value: LosslessStringConvertible>() throws(InvalidProbeCommand) -> Value {
        try next(Value.init(_:))
    }

    mutating func next<Value: RawRepresentable<String>>() throws(InvalidProbeCommand) -> Value {
        try next(Value.init(rawValue:))
    }

    private mutating func next<Value>(_ read: (String) -> Value?) throws(InvalidProbeCommand) -> Value {
        guard index < words.count else {
            throw InvalidProbeCommand("\(command): argument \(index + 1), of type \(Value.self), is missing")
        }
        guard let value = read(words[index]) else {
            throw InvalidProbeCommand(
                "\(command): argument \(index + 1), '\(words[index])', is not a valid \(Value.self)")
        }
        index += 1
        return value
    }

    func end() throws(InvalidProbeCommand) {
        if index < words.count { throw InvalidProbeCommand("\(command): '\(words[index])' is one argument too many") }
    }
}
