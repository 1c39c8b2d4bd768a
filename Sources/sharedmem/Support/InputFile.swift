import LinuxSystem

/// A file that an option names, and that is read as a whole.
struct InputFile: Sendable {
    let path: String
    /// What errors call it, such as `token file`.
    let kind: String
    /// The option that names it, or its variable.
    let source: String
    /// Whether other users must not be able to read it.
    let isSecret: Bool

    private static let limit = 1 << 20

    func read() throws(Failure) -> ReadBytes {
        let bytes: ReadBytes
        var status: FileStatus?
        do throws(SystemError) {
            bytes = try ByteStream.content(ofFile: path, limit: Self.limit) { status = $0 }
        } catch {
            let isOther = status.map { $0.kind != .regular } ?? false
            let reason = isOther ? "it is not a regular file" : error.reason
            throw Failure(
                description:
                    "The \(kind) \(path) cannot be read: \(reason). \(source) must name a file that this user "
                    + "can read.")
        }
        let othersMayReadOrWrite: UInt32 = 0o006
        if isSecret, let status, status.mode & othersMayReadOrWrite != 0 {
            throw Failure(description: "All users can read or write the \(kind) \(path): run \"chmod o= '\(path)'\".")
        }
        guard bytes.count <= Self.limit else {
            throw Failure(
                description: "\(path) is not a \(kind): it is longer than 1 MiB. \(source) must name one.")
        }
        return bytes
    }
}
