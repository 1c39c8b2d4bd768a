internal import Glibc

/// A file whose one line is the token that clients must send.
enum TokenFile {
    static func read(_ path: String) throws -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(description: "\(path): \(StandardStream.reason(errno))") }
        defer { close(descriptor) }
        let bytes: [UInt8]
        do {
            bytes = try StandardStream(descriptor: descriptor).readToEnd(limit: 4096)
        } catch {
            throw Failure(description: "\(path): \(error)")
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard bytes.count <= 4096, lines.count == 1 else {
            throw Failure(description: "\(path) is not a token file: it must have one line.")
        }
        return String(lines[0])
    }
}
