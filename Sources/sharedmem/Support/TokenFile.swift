import SharedMemoryHTTP

extension ReloadedFiles<[AccessToken]> {
    /// The file of a server's tokens.
    convenience init(tokens path: String) {
        let file = InputFile(path: path, kind: "token file", source: ServerOption.tokenFile.source, isSecret: true)
        self.init([file]) { content throws(Failure) in
            try file.entries(content[0], AccessToken.parse)
        } replace: { tokens, server throws(ServerError) in
            try server.replaceTokens(tokens)
            return "\(tokens.count) \(tokens.count == 1 ? "token" : "tokens")"
        }
    }
}

extension InputFile {
    /// The entries of a file that has one on a line.
    func entries<Entry>(
        _ content: [UInt8], _ parse: (String) throws(TokenFileError) -> [Entry]
    ) throws(Failure) -> [Entry] {
        do throws(TokenFileError) {
            return try parse(String(decoding: content, as: UTF8.self))
        } catch {
            let place = error.line.map { "line \($0)" } ?? "the file"
            throw Failure(description: "The \(kind) \(path) cannot be used. In \(place), \(error.problem)")
        }
    }
}
