/// Text that is about to be set.
@safe struct Draft {
    let bytes: UnsafeRawBufferPointer
    /// Whether the text is known to be UTF-8, as it comes from a `String`.
    let isUTF8: Bool

    init(_ bytes: UnsafeRawBufferPointer, isUTF8: Bool) {
        unsafe self.bytes = bytes
        self.isUTF8 = isUTF8
    }

    /// Whether the text is copied past the caches, which are smaller, and checked while it is copied.
    var isStreamed: Bool { unsafe bytes.count >= 4 << 20 }

    /// Checks that the text is UTF-8 without U+0000, where C programs would see it end.
    ///
    /// - Throws: ``SegmentError/notUTF8(offset:)`` or ``SegmentError/containsNUL(offset:)``, for the first fault.
    func check() throws(SegmentError) {
        let invalid = isUTF8 ? nil : unsafe Text.firstInvalidOffset(bytes)
        let valid = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<(invalid ?? bytes.count)])
        if let offset = unsafe Text.firstZeroOffset(valid) { throw .containsNUL(offset: offset) }
        if let invalid { throw .notUTF8(offset: invalid) }
    }
}
