internal import CLinux
internal import Glibc

/// A file for another program to change, in a new directory that only this user can enter.
package struct PrivateFile: Sendable {
    package let path: String
    package let directory: String
    private let name: String

    /// - Parameter parent: the directory for temporary files.
    package init(named name: String, in parent: String, content: String) throws(SystemError) {
        var template = Array("\(parent)/sharedmem-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw SystemError("mkdtemp", on: parent, code: errno) }
        directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        path = "\(directory)/\(name)"
        self.name = name
        do throws(SystemError) {
            try write(content)
        } catch {
            remove()
            throw error
        }
    }

    /// Replaces the content; if that fails, the file has the old content.
    package func write(_ content: String) throws(SystemError) {
        let draft = "\(directory)/.\(name).new"
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
        let descriptor = try systemCall("open", on: draft) { negatedErrno(unsafe open(draft, flags, 0o600)) }
        defer { close(descriptor) }
        do throws(SystemError) {
            try ByteStream(descriptor: descriptor).write(content)
            try systemCall("rename", on: path) { negatedErrno(unsafe rename(draft, path)) }
        } catch {
            unsafe unlink(draft)
            throw error
        }
    }

    /// Whether the other program has left nothing beside the file.
    package var isAlone: Bool { names == [name] }

    /// The files in the directory; nil if it cannot be read.
    private var names: [String]? {
        (try? Directory.names(in: directory))?.filter { $0 != "." && $0 != ".." }
    }

    /// The content, up to one byte more than `limit`.
    package func read(limit: Int) throws(SystemError) -> ReadBytes {
        try ByteStream.content(ofFile: path, limit: limit) { _ in }
    }

    /// Removes the file, and what the other program has left beside it.
    package func remove() {
        for name in names ?? [] { unsafe unlink("\(directory)/\(name)") }
        unsafe rmdir(directory)
    }
}
