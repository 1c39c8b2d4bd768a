internal import Glibc

enum Bytes {
    /// The offset of the first zero byte.
    static func firstZero(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress, let found = unsafe memchr(start, 0, bytes.count) else { return nil }
        return unsafe UnsafeRawPointer(found) - start
    }
}
