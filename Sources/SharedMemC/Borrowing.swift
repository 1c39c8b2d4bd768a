public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_borrow(_ segment: OpaquePointer?, _ borrow: UnsafeMutablePointer<sharedmem_borrow_t>?) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    guard let borrow = unsafe borrow else { return failForNull("borrow") }
    return unsafe Handle.with(segment) { handle in
        do throws(SegmentError) {
            // Where borrowing makes system calls, the core keeps errno, which costs time.
            let new = try handle.segment.borrow()
            let text = unsafe new.text
            let identity = try handle.segment.identify(new)
            unsafe borrow.pointee = sharedmem_borrow_t(text, identity, opaque: handle.keep(new).rawValue)
            return 0
        } catch {
            return fail(error)
        }
    }
}

@c @implementation
public func sharedmem_release(
    _ segment: OpaquePointer?, _ borrow: UnsafeMutablePointer<sharedmem_borrow_t>?
) -> CInt {
    guard let segment = unsafe segment, let borrow = unsafe borrow, unsafe borrow.pointee.text != nil else { return 0 }
    let token = unsafe BorrowToken(rawValue: borrow.pointee.opaque)
    let isEnded = unsafe Handle.with(segment) { $0.end(token) }
    unsafe borrow.pointee = sharedmem_borrow_t()
    if isEnded { return 0 }
    return fail(
        EINVAL,
        "sharedmem_release: the borrow is not one of this handle in this process: have the process that has borrowed "
            + "the text release it.")
}

extension sharedmem_borrow_t {
    @inline(__always)
    init(_ text: UnsafeRawBufferPointer, _ identity: (version: Version, time: Timestamp), opaque: UInt) {
        // The text of a borrow is never null.
        let address = unsafe text.baseAddress ?? UnsafeRawPointer(("" as StaticString).utf8Start)
        unsafe self.init(
            text: address.assumingMemoryBound(to: CChar.self), length: text.count,
            version: sharedmem_version_t(identity.version), publication_time: identity.time.nanosecondsSince1970,
            opaque: opaque)
    }
}
