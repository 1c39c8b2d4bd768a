import HTTPMessages

/// A line of a token file or of a file of client roles: `SUBJECT [role=…] [name=…] [segments=…] [expires=…]`.
struct AccessEntry {
    /// The token, or the name in a certificate.
    let subject: String
    let role: AccessToken.Role
    let name: String?
    let segments: [String]
    let expires: Int64?

    /// What is wrong with a line, and what to do.
    struct Fault: Error {
        let problem: String
        init(_ problem: String) { self.problem = problem }
    }

    /// Reads a file, an entry a line; `#` at the beginning of a word starts a comment.
    ///
    /// - Parameters:
    ///   - kind: what a line begins with.
    ///   - make: makes a value of an entry; it also gets the values of the earlier lines.
    static func parse<Value>(
        file content: String, of kind: String, _ make: (AccessEntry, [Value]) throws(Fault) -> Value
    ) throws(TokenFileError) -> [Value] {
        var values: [Value] = []
        for (index, line) in content.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" }.prefix { !$0.hasPrefix("#") }.map(String.init)
            guard let subject = words.first else { continue }
            do throws(Fault) {
                values.append(try make(try AccessEntry(subject, words.dropFirst(), kind), values))
            } catch {
                throw TokenFileError(line: index + 1, problem: error.problem)
            }
        }
        return values
    }

    private init(_ subject: String, _ attributes: ArraySlice<String>, _ kind: String) throws(Fault) {
        var values: [String: String] = [:]
        for attribute in attributes {
            let parts = attribute.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            // Any word may be a second token, which an error must not show.
            guard parts.count == 2, ["role", "name", "segments", "expires"].contains(parts[0]) else {
                throw Fault("only role=, name=, segments= and expires= can follow a \(kind).")
            }
            guard values.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw Fault("\(parts[0])= is given twice.")
            }
        }
        self.subject = subject
        role = try values["role"].map(Self.role) ?? .write
        name = try values["name"].map(Self.name)
        segments = try values["segments"].map(Self.segments) ?? []
        expires = try values["expires"].map(Self.expiry)
    }

    private static func role(_ text: String) throws(Fault) -> AccessToken.Role {
        if let role = AccessToken.Role(rawValue: text) { return role }
        let roles = AccessToken.Role.allCases.map(\.rawValue).joined(separator: ", ")
        throw Fault("the role is unknown: use \(roles).")
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
