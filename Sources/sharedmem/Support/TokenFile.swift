import LinuxSystem

/// A file whose one line is the token that clients must send.
enum TokenFile {
    static func read(_ path: String) throws(Failure) -> String {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try ByteStream.content(ofFile: path, limit: 4096)
        } catch {
            throw Failure(description: "The token file \(path) cannot be read: \(error.reason).")
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard bytes.count <= 4096, lines.count == 1 else {
            throw Failure(description: "\(path) is not a token file: it must have one line, of at most 4096 bytes.")
        }
        return String(lines[0])
    }
}
