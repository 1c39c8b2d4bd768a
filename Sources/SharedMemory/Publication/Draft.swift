/// A text that is about to be set.
@safe struct Draft {
    let bytes: UnsafeRawBufferPointer
    /// Whether it comes from a `String`, which can be nothing else.
    let isUTF8: Bool

    init(_ bytes: UnsafeRawBufferPointer, isUTF8: Bool) {
        unsafe self.bytes = bytes
        self.isUTF8 = isUTF8
    }

    /// Whether it is copied past the caches, which are smaller, and looked at only on the way.
    var isStreamed: Bool { unsafe bytes.count >= 4 << 20 }

    /// Makes sure that it is what a text must be: UTF-8 without U+0000, which would end it for C programs.
    ///
    /// - Throws: ``SegmentError/notUTF8(offset:)``, ``SegmentError/containsNUL(offset:)``, whichever comes first.
    func check() throws(SegmentError) {
        let invalid = isUTF8 ? nil : unsafe Text.firstInvalidOffset(bytes)
        let valid = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<(invalid ?? bytes.count)])
        if let offset = unsafe Text.firstZeroOffset(valid) { throw .containsNUL(offset: offset) }
        if let invalid { throw .notUTF8(offset: invalid) }
    }
}
