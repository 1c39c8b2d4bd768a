internal import CLinux
internal import Glibc

/// A file for another program to change, in a new directory that only this user can enter.
package struct PrivateFile: Sendable {
    package let path: String
    private let directory: String

    /// - Parameter parent: the directory for temporary files.
    package init(named name: String, in parent: String, content: String) throws(SystemError) {
        var template = Array("\(parent)/sharedmem-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw SystemError("mkdtemp", on: parent, code: errno) }
        directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        path = "\(directory)/\(name)"
        do throws(SystemError) {
            try write(content)
        } catch {
            remove()
            throw error
        }
    }

    /// Replaces the content.
    package func write(_ content: String) throws(SystemError) {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
        let descriptor = try systemCall("open", on: path) { negatedErrno(unsafe open(path, flags, 0o600)) }
        defer { close(descriptor) }
        try ByteStream(descriptor: descriptor).write(content)
    }

    /// The content, up to one byte more than `limit`.
    package func read(limit: Int) throws(SystemError) -> ReadBytes {
        try ByteStream.content(ofFile: path, limit: limit) { _ in }
    }

    /// Removes the file, and what the other program has left beside it.
    package func remove() {
        for name in (try? Directory.names(in: directory)) ?? [] where name != "." && name != ".." {
            unsafe unlink("\(directory)/\(name)")
        }
        unsafe rmdir(directory)
    }
}
