import LinuxSystem

/// The program in which a person changes the text.
struct Editor {
    /// As the shell reads it: it may have arguments.
    private let command: String

    /// Chooses `VISUAL`, `EDITOR` or vi; without a terminal `EDITOR` alone, which need not be a full-screen editor.
    static func choose() throws -> Editor {
        if hasTerminal { return Editor(command: Environment["VISUAL"] ?? Environment["EDITOR"] ?? "vi") }
        guard let command = Environment["EDITOR"] else {
            throw Failure(
                description: "There is no terminal for an editor: run edit on a terminal, set EDITOR to a program that "
                    + "needs none, or use 'sharedmem get' and 'sharedmem set'.")
        }
        return Editor(command: command)
    }

    private static var hasTerminal: Bool {
        ByteStream.standardInput.isTerminal && ByteStream.standardOutput.isTerminal && Style.terminalIsCapable
    }

    /// Has the person change a file.
    ///
    /// - Throws: if the editor fails, which abandons what was changed.
    func run(_ path: String) throws {
        // The keys that interrupt are for the editor, and end neither the shell nor this process.
        let script = "trap : INT QUIT; \(command) \"$1\""
        let end = try Program.run(["/bin/sh", "-c", script, command, path])
        guard end.exitStatus == 0 else {
            throw Failure(description: "The editor '\(command)' \(end), so nothing was set.")
        }
    }

    /// A name for the file that tells an editor what kind of text it contains.
    static func fileName(_ name: String, _ text: String) -> String {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        if parts.count > 1, let last = parts.last, (1...8).contains(last.count), last.allSatisfy(\.isLetter) {
            return name
        }
        switch text.utf8.first {
        case UInt8(ascii: "{"), UInt8(ascii: "["): return name + ".json"
        case UInt8(ascii: "<"): return name + ".xml"
        default: return name + ".txt"
        }
    }
}
