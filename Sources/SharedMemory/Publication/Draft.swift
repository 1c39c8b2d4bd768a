internal import CLinux
internal import Glibc

/// Text that is about to be set.
@safe struct Draft {
    let bytes: UnsafeRawBufferPointer
    /// Whether the text is known to be UTF-8, as it comes from a `String`.
    let isUTF8: Bool

    /// Whether the text is copied past the caches, which are smaller, and checked while it is copied.
    var isStreamed: Bool { unsafe bytes.count >= 4 << 20 }

    /// Checks that the text is UTF-8 without U+0000, where C programs would see it end.
    ///
    /// - Throws: ``SegmentError/notUTF8(offset:)`` or ``SegmentError/containsNUL(offset:)``, for the first fault.
    @inline(__always)
    func check() throws(SegmentError) {
        if unsafe !clinux_is_plain(bytes.baseAddress, bytes.count) { try checkCharacters() }
    }

    @inline(never)
    private func checkCharacters() throws(SegmentError) {
        let invalid = isUTF8 ? nil : unsafe bytes.firstInvalidOffset
        let valid = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<(invalid ?? bytes.count)])
        if let start = valid.baseAddress, let zero = unsafe memchr(start, 0, valid.count) {
            throw .containsNUL(offset: unsafe UnsafeRawPointer(zero) - start)
        }
        if let invalid { throw .notUTF8(offset: invalid) }
    }
}

extension UnsafeRawBufferPointer {
    /// The offset of the first byte that is not UTF-8; nil if all bytes are.
    var firstInvalidOffset: Int? {
        do {
            _ = try UTF8Span(validating: unsafe Span(_bytes: bytes))
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }
}
