import HTTPMessages

/// Why a token file, or a file of client roles, cannot be used.
public struct TokenFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Counted from 1; nil if no line in particular is at fault.
    public let line: Int?
    /// What is wrong, and what to do; no token is shown.
    public let problem: String

    public var description: String { line.map { "Line \($0): \(problem)" } ?? problem }
}

extension AccessToken {
    /// Reads the content of a token file.
    ///
    /// One entry a line: `TOKEN [role=read|write|admin] [name=NAME] [segments=PATTERN,…] [expires=DATE]`, with a date such as
    /// `2026-12-31T23:59:59Z`. The role is `write` unless it is given. `#` at the beginning of a word starts a comment.
    ///
    /// - Returns: at least one token.
    public static func parse(file content: String) throws(TokenFileError) -> [AccessToken] {
        let tokens = try AccessEntry.parse(file: content, of: "token") {
            (entry, tokens: [AccessToken]) throws(AccessEntry.Fault) in
            let token = try AccessToken(entry)
            guard !tokens.contains(where: { $0.bearer == token.bearer }) else {
                throw AccessEntry.Fault("this token is in an earlier line. Remove one of them.")
            }
            return token
        }
        if tokens.isEmpty { throw TokenFileError(line: nil, problem: "there is no token. Write one to each line.") }
        return tokens
    }

    private init(_ entry: AccessEntry) throws(AccessEntry.Fault) {
        do throws(ServerError) {
            try self.init(
                entry.subject, role: entry.role, name: entry.name, segments: entry.segments, expires: entry.expires)
        } catch {
            throw AccessEntry.Fault(
                "a token has \(Self.lengths.lowerBound) to \(Self.lengths.upperBound) visible ASCII characters.")
        }
    }
}
