enum Text {
    /// The offset of the first byte that is not UTF-8; nil where all of it is.
    static func firstInvalidOffset(_ bytes: UnsafeRawBufferPointer) -> Int? {
        do {
            _ = try UTF8Span(validating: unsafe Span(_bytes: bytes.bytes))
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }
}
