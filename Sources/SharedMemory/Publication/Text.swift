internal import Glibc

enum Text {
    /// The offset of the first byte that is not UTF-8; nil if all bytes are.
    static func firstInvalidOffset(_ bytes: UnsafeRawBufferPointer) -> Int? {
        do {
            _ = try UTF8Span(validating: unsafe Span(_bytes: bytes.bytes))
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }

    /// The offset of the first zero byte; nil if there is none.
    static func firstZeroOffset(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress, let found = unsafe memchr(start, 0, bytes.count) else { return nil }
        return unsafe UnsafeRawPointer(found) - start
    }
}
