package import LinuxSystem

/// The directory of kept versions, as the keeper uses it: everything that must be in the right order.
///
/// Tests replace it with a directory that loses power.
package protocol KeepStorage: Sendable {
    func names() throws(SystemError) -> [String]

    /// Shows `body` the content of a file, if it is a regular one with at most so many bytes, or one byte more than that.
    func read<Result>(_ name: String, limit: Int, _ body: (Span<UInt8>) -> Result) throws(SystemError) -> Result

    /// Creates a file at a name where there is none.
    func create(_ name: String) throws(SystemError) -> any NewFile

    func rename(_ name: String, to other: String) throws(SystemError)

    func remove(_ name: String) throws(SystemError)

    /// Waits until all names are on disk.
    func synchronize() throws(SystemError)
}

/// A file that is being written.
package protocol NewFile {
    func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError)

    /// Waits until the content is on disk.
    func synchronize() throws(SystemError)
}

/// A directory on a disk.
package struct DiskStorage: KeepStorage {
    /// Absolute, as a process may change its working directory.
    package let path: String

    package init(_ path: String) {
        let workingDirectory = path.hasPrefix("/") ? nil : Host.workingDirectory
        self.path = (workingDirectory.map { $0 + "/" } ?? "") + path
    }

    func path(of name: String) -> String { "\(path)/\(name)" }

    package func names() throws(SystemError) -> [String] { try Directory.names(in: path) }

    package func read<Result>(
        _ name: String, limit: Int, _ body: (Span<UInt8>) -> Result
    ) throws(SystemError) -> Result {
        let bytes = try ByteStream.content(ofFile: path(of: name), limit: limit) { _ in }
        return bytes.withSpan(body)
    }

    package func create(_ name: String) throws(SystemError) -> any NewFile {
        DiskFile(try FileDescriptor.createNew(path(of: name)))
    }

    package func rename(_ name: String, to other: String) throws(SystemError) {
        try Directory.rename(path(of: name), over: path(of: other))
    }

    package func remove(_ name: String) throws(SystemError) { try Directory.unlink(path(of: name)) }

    package func synchronize() throws(SystemError) { try FileDescriptor.open(path, .readOnly).synchronize() }
}

private final class DiskFile: NewFile {
    private let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    func write(_ bytes: Span<UInt8>, at offset: Int) throws(SystemError) {
        try descriptor.write(bytes: bytes, at: offset)
    }

    func synchronize() throws(SystemError) { try descriptor.synchronize() }
}
