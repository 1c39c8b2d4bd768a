public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func SetSharedMem(_ text: UnsafePointer<wchar_t>?) {
    sharedmem_internal_clear_error()
    guard let text = unsafe text else {
        failForNull("text")
        return
    }
    LibrarySegment.use { segment throws(SegmentError) in
        let encoded = unsafe EncodedText(text, capacity: try segment.capacity)
        try segment.set(utf8: encoded.bytes.span)
        encoded.reportLosses()
    }
}

@c @implementation
public func GetSharedMem(_ buffer: UnsafeMutablePointer<wchar_t>?, _ count: UInt32) {
    sharedmem_internal_clear_error()
    guard count > 0 else { return }
    guard let buffer = unsafe buffer else {
        failForNull("buffer")
        return
    }
    let room = unsafe UnsafeMutableBufferPointer(start: buffer, count: Int(count))
    unsafe room[0] = 0
    LibrarySegment.use { segment throws(SegmentError) in
        let borrow = try segment.borrow()
        defer { extendLifetime(borrow) }
        guard let text = unsafe try? UTF8Span(validating: Span(_bytes: borrow.text.bytes)) else {
            throw .corrupted(path: segment.path, reason: "the text is not UTF-8")
        }
        unsafe decode(text, into: room)
    }
}

/// The UTF-8 of as many characters of a wide string as fit.
private struct EncodedText {
    private(set) var bytes: [UInt8] = []
    private let capacity: Int
    private var isWhole = true
    private var isExact = true

    init(_ text: UnsafePointer<wchar_t>, capacity: Int) {
        self.capacity = capacity
        // A wchar_t need not be a Unicode scalar.
        var next = unsafe UnsafeRawPointer(text).assumingMemoryBound(to: UInt32.self)
        while unsafe next.pointee != 0 {
            let scalar = unsafe Unicode.Scalar(next.pointee)
            if scalar == nil { isExact = false }
            let known = scalar ?? "\u{FFFD}"
            isWhole = bytes.count + UTF8.width(known) <= capacity
            guard isWhole else { return }
            bytes.append(contentsOf: known.utf8)
            unsafe next += 1
        }
    }

    func reportLosses() {
        if !isWhole {
            fail(
                EMSGSIZE,
                "The text is longer than the segment's capacity of \(capacity) bytes: only its first \(bytes.count) bytes "
                    + "were set. Shorten it, or create the segment with a larger capacity (SHAREDMEM_CAPACITY).")
        } else if !isExact {
            fail(EILSEQ, "The text has characters that are not in Unicode, and each was set as U+FFFD: correct them.")
        }
    }
}

/// Decodes as many characters as fit in front of a terminating zero.
private func decode(_ text: UTF8Span, into buffer: UnsafeMutableBufferPointer<wchar_t>) {
    var scalars = text.makeUnicodeScalarIterator()
    var count = 0
    while count < buffer.count - 1, let scalar = scalars.next() {
        unsafe buffer[count] = wchar_t(scalar.value)
        count += 1
    }
    unsafe buffer[count] = 0
    let left = scalars.skipForward(by: .max)
    if left > 0 { fail(ERANGE, "The text did not fit: use a buffer of \(count + left + 1) characters.") }
}
