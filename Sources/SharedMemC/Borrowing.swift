public import CSharedMem
internal import SharedMemory

@c @implementation
public func sharedmem_borrow(_ segment: OpaquePointer?, _ borrow: UnsafeMutablePointer<sharedmem_borrow_t>?) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    guard let borrow = unsafe borrow else { return failForNull("borrow") }
    return unsafe Handle.with(segment) { unsafe $0.begin(borrow) }
}

@c @implementation
public func sharedmem_release(_ segment: OpaquePointer?, _ borrow: UnsafeMutablePointer<sharedmem_borrow_t>?) {
    guard let segment = unsafe segment, let borrow = unsafe borrow, unsafe borrow.pointee.text != nil else { return }
    let token = unsafe BorrowToken(rawValue: borrow.pointee.opaque)
    unsafe Handle.with(segment) { $0.end(token) }
    unsafe borrow.pointee = sharedmem_borrow_t()
}

extension Handle {
    @inline(__always)
    fileprivate func begin(_ result: UnsafeMutablePointer<sharedmem_borrow_t>) -> CInt {
        do throws(SegmentError) {
            let borrow = try segment.borrow()
            let (version, time) = try segment.identify(borrow)
            let text = unsafe borrow.text
            unsafe result.pointee = sharedmem_borrow_t(
                text: (text.baseAddress ?? emptyText).assumingMemoryBound(to: CChar.self), length: text.count,
                version: sharedmem_version_t(version), publication_time: time.nanosecondsSince1970,
                opaque: keep(borrow).rawValue)
            return 0
        } catch {
            return fail(error)
        }
    }
}

/// The address that a borrow of the empty text has, as it must not be null.
var emptyText: UnsafeRawPointer { unsafe UnsafeRawPointer(("" as StaticString).utf8Start) }
