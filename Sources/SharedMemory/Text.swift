/// What a text must be: UTF-8 without U+0000, which would end it for C programs.
enum Text {
    /// - Throws: ``SegmentError/notUTF8(offset:)``, ``SegmentError/containsNUL(offset:)``, whichever comes first.
    static func check(_ bytes: UnsafeRawBufferPointer) throws(SegmentError) {
        let invalid = unsafe firstInvalidOffset(bytes)
        let valid = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<(invalid ?? bytes.count)])
        if let offset = unsafe Bytes.firstZero(in: valid) { throw .containsNUL(offset: offset) }
        if let invalid { throw .notUTF8(offset: invalid) }
    }

    static func firstInvalidOffset(_ bytes: UnsafeRawBufferPointer) -> Int? {
        do {
            _ = try UTF8Span(validating: unsafe Span(_bytes: bytes.bytes))
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }
}
