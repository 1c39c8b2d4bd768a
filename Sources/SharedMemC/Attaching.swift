public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_attach(
    _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<sharedmem_options_t>?
) -> OpaquePointer? {
    var attachment: AttachmentOptions? = AttachmentOptions()
    if let options = unsafe options { attachment = unsafe AttachmentOptions(options) }
    guard let attachment else { return nil }
    let name = unsafe name.map { unsafe String(cString: $0) }
    var handle: OpaquePointer?
    attempt { () throws(SegmentError) in unsafe handle = try Handle(Segment.attach(name, attachment)).retainedForC() }
    return unsafe handle
}

@c @implementation
public func sharedmem_detach(_ segment: OpaquePointer?) -> CInt {
    guard let segment = unsafe segment else { return 0 }
    let isBorrowed = unsafe Handle.with(segment) { $0.isBorrowed }
    if isBorrowed { return fail(EBUSY, "sharedmem_detach: a borrow or a reader is open: release or close it first.") }
    unsafe Handle.release(segment)
    return 0
}

extension AttachmentOptions {
    /// Takes options that this version of the library understands; for others, leaves an error for C and returns nil.
    fileprivate init?(_ pointer: UnsafePointer<sharedmem_options_t>) {
        self.init()
        let knownSize = unsafe MemoryLayout<sharedmem_options_t>.size
        let size = unsafe pointer.pointee.size
        // Longer options are from a later version: what this one does not know must be zero.
        guard (knownSize...4096).contains(size),
            unsafe UnsafeRawBufferPointer(start: pointer, count: size).dropFirst(knownSize).allSatisfy({ $0 == 0 }),
            unsafe pointer.pointee.flags & ~(SHAREDMEM_READ_ONLY | SHAREDMEM_PERSISTENT | SHAREDMEM_EXISTING) == 0
        else {
            fail(
                EINVAL,
                "sharedmem_attach: the options are not those of this version of the library, or have an unknown flag: "
                    + "initialize them with SHAREDMEM_OPTIONS.")
            return nil
        }
        let options = unsafe pointer.pointee
        directory = unsafe options.directory.flatMap { unsafe String(validatingCString: $0) }
        let ownerCount = unsafe options.trusted_owner_count
        guard unsafe (directory == nil) == (options.directory == nil), ownerCount >= 0,
            unsafe ownerCount == 0 || options.trusted_owners != nil
        else {
            fail(
                EINVAL,
                "sharedmem_attach: the directory is not UTF-8, or trusted_owners does not match its count: correct it.")
            return nil
        }
        trustedOwners = unsafe Set(UnsafeBufferPointer(start: options.trusted_owners, count: ownerCount))
        let capacity = unsafe UInt(bitPattern: options.capacity)
        if capacity != 0 { self.capacity = Int(clamping: capacity) }
        if unsafe options.mode != 0 { mode = unsafe options.mode }
        if unsafe options.flags & SHAREDMEM_READ_ONLY != 0 { access = .readOnly }
        if unsafe options.flags & SHAREDMEM_PERSISTENT != 0 { lifetime = .persistent }
        if unsafe options.flags & SHAREDMEM_EXISTING != 0 { creates = false }
    }
}
