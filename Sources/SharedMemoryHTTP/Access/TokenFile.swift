import HTTPMessages

/// Why a token file cannot be used.
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
        var tokens: [AccessToken] = []
        for (index, line) in content.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" }.prefix { !$0.hasPrefix("#") }.map(String.init)
            guard let secret = words.first else { continue }
            do throws(Fault) {
                let token = try AccessToken(secret, words.dropFirst())
                guard !tokens.contains(where: { $0.bearer == token.bearer }) else {
                    throw Fault("this token is in an earlier line. Remove one of them.")
                }
                tokens.append(token)
            } catch {
                throw TokenFileError(line: index + 1, problem: error.problem)
            }
        }
        if tokens.isEmpty { throw TokenFileError(line: nil, problem: "there is no token. Write one to each line.") }
        return tokens
    }

    private struct Fault: Error {
        let problem: String
        init(_ problem: String) { self.problem = problem }
    }

    private init(_ secret: String, _ attributes: ArraySlice<String>) throws(Fault) {
        var values: [String: String] = [:]
        for attribute in attributes {
            let parts = attribute.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            // Any word may be a second token, which an error must not show.
            guard parts.count == 2, ["role", "name", "segments", "expires"].contains(parts[0]) else {
                throw Fault("only role=, name=, segments= and expires= can follow a token.")
            }
            guard values.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw Fault("\(parts[0])= is given twice.")
            }
        }
        let role = try values["role"].map(Self.role) ?? .write
        let name = try values["name"].map(Self.name)
        let segments = try values["segments"].map(Self.segments) ?? []
        let expires = try values["expires"].map(Self.expiry)
        do throws(ServerError) {
            try self.init(secret, role: role, name: name, segments: segments, expires: expires)
        } catch {
            throw Fault(
                "a token has \(Self.lengths.lowerBound) to \(Self.lengths.upperBound) visible ASCII characters.")
        }
    }

    private static func role(_ text: String) throws(Fault) -> Role {
        if let role = Role(rawValue: text) { return role }
        throw Fault("the role is unknown: use \(Role.allCases.map(\.rawValue).joined(separator: ", ")).")
    }

    private static func name(_ text: String) throws(Fault) -> String {
        let isValid = (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        if isValid { return text }
        throw Fault("a name has 1 to 64 visible ASCII characters.")
    }

    private static func segments(_ text: String) throws(Fault) -> [String] {
        let patterns = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if !patterns.contains("") { return patterns }
        throw Fault("segments is a list of names or patterns such as flags,route-*, without blanks.")
    }

    private static func expiry(_ text: String) throws(Fault) -> Int64 {
        if let seconds = InternetDate.parse(text.utf8Span.span) { return seconds }
        throw Fault("expires= is not a date: write it as 2026-12-31T23:59:59Z.")
    }
}
