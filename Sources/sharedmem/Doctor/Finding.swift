/// One thing that keeps processes from seeing the same text, or may do so; in the JSON of `doctor`, one element.
struct Finding: Encodable, Equatable {
    let cause: Cause
    let severity: Severity
    /// The file, directory or process that it is about.
    let subject: String
    /// What was seen.
    let seen: String
    /// Why that matters, and what to do if no command can do it.
    let why: String
    /// Shell commands, to run in this order; none if a program or a container must be started differently.
    let fix: [String]

    enum Severity: String, Encodable {
        /// Something is wrong.
        case problem
        /// Nothing is wrong, but something is worth knowing.
        case note
    }

    enum Cause: String, Encodable, CaseIterable {
        // Where the segment is looked for.
        case anotherDirectory, privateMemory, noDirectory, directoryNotPermitted, directoryNotSticky, notInMemory
        case readOnlyMount, mountPoint
        // Its name.
        case missing, misspelled, anotherName, renamed, removed, hardLink
        // What the name leads to.
        case symbolicLink, foreignFile, damaged, copy, otherLayout, otherKernel, leftover
        // What this user can do with it.
        case untrustedOwner, notReadable, notWritable
        // Its size, and the limits.
        case capacity, textTooLong, fullMemory, noInodes, fileSizeLimit, addressSpaceLimit, memoryLimit, rowsTaken,
            pinsTaken
        // The processes.
        case notAttached, stopped, oldVersion, unseen
        // Where the text comes from.
        case replicated
        // Anything else.
        case busy, system

        /// As people read it: `another directory`.
        var words: String {
            rawValue.map { $0.isUppercase ? " " + $0.lowercased() : String($0) }.joined()
        }
    }

    static func problem(
        _ cause: Cause, _ subject: String, seen: String, why: String, fix: [String] = []
    ) -> Finding {
        Finding(cause: cause, severity: .problem, subject: subject, seen: seen, why: why, fix: fix)
    }

    static func note(_ cause: Cause, _ subject: String, seen: String, why: String, fix: [String] = []) -> Finding {
        Finding(cause: cause, severity: .note, subject: subject, seen: seen, why: why, fix: fix)
    }

    func with(_ severity: Severity) -> Finding {
        Finding(cause: cause, severity: severity, subject: subject, seen: seen, why: why, fix: fix)
    }
}
