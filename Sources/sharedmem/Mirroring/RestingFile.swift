import LinuxSystem

/// A file that is read only while no process writes to it.
struct RestingFile {
    let path: String
    /// What was read last: a change that the system has not reported shows in it.
    private var lastRead: Stamp?

    /// For how long a file must have been left alone before its content counts as whole.
    private static let restMilliseconds = 50
    private static let tryLimit = 20

    init(_ path: String) { self.path = path }

    /// Changes whenever the file is written to or replaced.
    private struct Stamp: Equatable {
        let file: FileIdentity
        let byteCount: Int
        let changeNanoseconds: UInt64
    }

    enum Fault: Error {
        case unreadable(SystemError)
        case notRegular
        /// It was written to all the time.
        case restless
    }

    /// Whether the file is another one than was read, or has changed since.
    var hasChanged: Bool { (try? stamp()) != lastRead }

    /// Reads the file as it is once it has been left alone, up to one byte more than `limit`.
    mutating func read(limit: Int) throws(Fault) -> ReadBytes {
        lastRead = nil
        for _ in 0..<Self.tryLimit {
            let before = try? stamp()
            BackgroundThread.pause(milliseconds: Self.restMilliseconds)
            guard before == (try? stamp()) else { continue }
            let content = try content(limit)
            // It may have been written to meanwhile.
            guard let before, before == (try? stamp()) else { continue }
            lastRead = before
            return content
        }
        throw .restless
    }

    private func content(_ limit: Int) throws(Fault) -> ReadBytes {
        var kind = FileStatus.Kind.regular
        do throws(SystemError) {
            return try ByteStream.content(ofFile: path, limit: limit) { kind = $0.kind }
        } catch {
            throw kind == .regular ? .unreadable(error) : .notRegular
        }
    }

    private func stamp() throws(SystemError) -> Stamp? {
        try FileStatus.ofPath(path, followsLinks: true).map {
            Stamp(file: $0.identity, byteCount: $0.byteCount, changeNanoseconds: $0.changeNanoseconds)
        }
    }
}
