import ArgumentParser

/// A subcommand that does not exist, for which the parser would suggest none.
enum UnknownSubcommand {
    /// - Throws: `ValidationError` if the first word should be a subcommand and is none.
    static func check(_ arguments: [String]) throws {
        guard let word = arguments.dropFirst().first, !word.hasPrefix("-") else { return }
        // A key path to a property of the type itself crashes the compiler.
        let names = SharedMem.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard !names.contains(word) else { return }
        throw ValidationError(
            "There is no subcommand '\(printable(word))'."
                + Similarity.question(word, in: names, otherwise: " 'sharedmem --help' lists them all."))
    }
}
