public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_set(
    _ segment: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int,
    _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    guard unsafe text != nil || length == 0 else { return failForNull("text") }
    return unsafe set(text, length, on: segment, if: nil, reportingTo: version)
}

@c @implementation
public func sharedmem_set_if(
    _ segment: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int,
    _ expected: UnsafePointer<sharedmem_version_t>?, _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    guard unsafe text != nil || length == 0 else { return failForNull("text") }
    guard let expected = unsafe expected else { return failForNull("expected") }
    return unsafe set(text, length, on: segment, if: Version(expected.pointee), reportingTo: version)
}

private func set(
    _ text: UnsafePointer<CChar>?, _ length: Int, on segment: OpaquePointer, if expected: Version?,
    reportingTo version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    // A size_t beyond Int.max can only be a converted negative number, and is too long for any segment.
    guard length >= 0 else { return fail(EMSGSIZE, "The text has \(UInt(bitPattern: length)) bytes: shorten it.") }
    let bytes = unsafe UnsafeRawBufferPointer(start: text, count: length)
    return unsafe Handle.with(segment) { handle in
        attempt { () throws(SegmentError) in
            do throws(SegmentError) {
                let new = try unsafe handle.segment.set(utf8: Span(_bytes: bytes.bytes), ifVersion: expected)
                unsafe version?.pointee = sharedmem_version_t(new)
            } catch {
                if case .versionMismatch(let current) = error { unsafe version?.pointee = sharedmem_version_t(current) }
                throw error
            }
        }
    }
}
