import LinuxSystem

/// The text that is given on standard input.
enum StandardInput {
    /// Reads to the end, but at most one byte more than `limit`; a person at a terminal is told how to end the text.
    static func read(limit: Int) throws -> ReadBytes {
        let input = ByteStream.standardInput
        if input.isTerminal {
            try ByteStream.standardError.write("Reading the text from the terminal; end it with Ctrl-D.\n")
            return try input.readToEnd(limit: limit)
        }
        return try Progress.show("Reading standard input, bytes") { progress in
            try input.readToEnd(limit: limit) { progress.note($0) }
        }
    }
}
