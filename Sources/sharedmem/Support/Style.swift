import ArgumentParser
import LinuxSystem

/// When output has colours.
enum ColorChoice: String, ExpressibleByArgument, CaseIterable {
    case auto, always, never
}

/// How output for people is emphasized; without colours, each function returns what it is given.
struct Style {
    let hasColors: Bool

    /// Colours on a terminal that has them, unless `NO_COLOR` is set (no-color.org).
    init(_ choice: ColorChoice, for stream: ByteStream) {
        hasColors =
            switch choice {
            case .always: true
            case .never: false
            case .auto: stream.isTerminal && Environment["NO_COLOR"] == nil && Self.terminalIsCapable
            }
    }

    /// Whether the terminal knows commands for colours and the cursor.
    static var terminalIsCapable: Bool { Environment["TERM"].map { $0 != "dumb" } ?? false }

    func bold(_ text: String) -> String { painted(text, "1") }
    func inverted(_ text: String) -> String { painted(text, "7") }
    func red(_ text: String) -> String { painted(text, "31") }
    func green(_ text: String) -> String { painted(text, "32") }
    func cyan(_ text: String) -> String { painted(text, "36") }

    private func painted(_ text: String, _ code: String) -> String {
        hasColors ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}

/// The option of commands whose output may have colours.
struct StyleOptions: ParsableArguments {
    @Option(help: "Whether to use colours: auto uses them on a terminal, unless NO_COLOR is set.")
    var color = ColorChoice.auto

    var style: Style { Style(color, for: .standardOutput) }
}
