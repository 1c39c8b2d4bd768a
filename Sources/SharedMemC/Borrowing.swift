public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_borrow(_ segment: OpaquePointer?, _ borrow: UnsafeMutablePointer<sharedmem_borrow_t>?) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    guard let borrow = unsafe borrow else { return failForNull("borrow") }
    return unsafe Handle.with(segment) { unsafe $0.beginBorrow(borrow) }
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

extension Handle {
    fileprivate func beginBorrow(_ borrow: UnsafeMutablePointer<sharedmem_borrow_t>) -> CInt {
        attemptKeepingErrno { () throws(SegmentError) in
            let new = try segment.beginBorrow()
            if !new.hold.isPin { countUnpinned() }
            unsafe borrow.pointee = sharedmem_borrow_t(new)
        }
    }
}

extension sharedmem_borrow_t {
    init(_ publication: Publication) {
        unsafe self.init(
            text: publication.address.assumingMemoryBound(to: CChar.self), length: publication.byteCount,
            version: sharedmem_version_t(publication.version),
            publication_time: publication.time.nanosecondsSince1970, opaque: publication.hold.rawValue)
    }
}
