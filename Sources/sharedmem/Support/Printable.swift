/// Replaces control characters: the name of a program or a file could contain commands for the terminal.
func printable(_ text: String) -> String {
    text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{fffd}" : String($0) }.joined()
}
