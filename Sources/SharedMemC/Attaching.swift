public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_attach(
    _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<sharedmem_options_t>?
) -> OpaquePointer? {
    guard let attachment = unsafe AttachmentOptions(options, for: "sharedmem_attach") else { return nil }
    return unsafe attach(name, attachment)
}

@c @implementation
public func sharedmem_attach_simple(
    _ name: UnsafePointer<CChar>?, _ directory: UnsafePointer<CChar>?, _ capacity: Int, _ flags: UInt32
) -> OpaquePointer? {
    var options = unsafe sharedmem_options_t()
    unsafe options.size = unsafe MemoryLayout<sharedmem_options_t>.size
    unsafe options.directory = directory
    unsafe options.capacity = capacity
    unsafe options.flags = flags
    guard let attachment = unsafe AttachmentOptions(&options, for: "sharedmem_attach_simple") else { return nil }
    return unsafe attach(name, attachment)
}

private func attach(_ name: UnsafePointer<CChar>?, _ options: AttachmentOptions) -> OpaquePointer? {
    var handle: OpaquePointer?
    attempt { () throws(SegmentError) in
        unsafe handle = try Handle.forC(Segment.attach(segmentName(name), options))
    }
    return unsafe handle
}

/// A name as C gives it; null stands for the default name.
func segmentName(_ name: UnsafePointer<CChar>?) -> String? { unsafe name.map { unsafe String(cString: $0) } }

@c @implementation
public func sharedmem_detach(_ segment: OpaquePointer?) -> CInt {
    guard let segment = unsafe segment else { return 0 }
    let before = errno
    if unsafe Handle.endUse(segment) {
        errno = before
        return 0
    }
    return fail(EBUSY, "sharedmem_detach: a borrow or a reader is open: release or close it first.")
}

@c @implementation
public func sharedmem_capacity(_ segment: OpaquePointer?) -> Int {
    guard let segment = unsafe segment else { return Int(failForNull("segment")) }
    var capacity = -1
    _ = unsafe Handle.with(segment) { handle in
        attempt { () throws(SegmentError) in capacity = try handle.segment.capacity }
    }
    return capacity
}

extension AttachmentOptions {
    /// Takes options that this version of the library understands; for others, leaves an error for C and returns nil.
    init?(_ pointer: UnsafePointer<sharedmem_options_t>?, for function: StaticString) {
        self.init()
        guard let pointer = unsafe pointer else { return }
        let knownSize = unsafe MemoryLayout<sharedmem_options_t>.size
        let size = unsafe pointer.pointee.size
        // Options of an earlier version are shorter; what a later version has added must be zero.
        let added = unsafe UnsafeRawBufferPointer(start: pointer, count: min(size, 4096)).dropFirst(knownSize)
        var options = unsafe sharedmem_options_t()
        let isPossible = (Self.firstSize...4096).contains(size)
        if isPossible {
            unsafe withUnsafeMutableBytes(of: &options) {
                unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: min(size, knownSize)))
            }
        }
        guard isPossible, unsafe added.allSatisfy({ $0 == 0 }),
            unsafe options.flags & ~(SHAREDMEM_READ_ONLY | SHAREDMEM_PERSISTENT | SHAREDMEM_EXISTING) == 0
        else {
            fail(
                EINVAL,
                "\(function): the options are not those of this version of the library, or have an unknown flag: "
                    + "initialize them with SHAREDMEM_OPTIONS.")
            return nil
        }
        directory = unsafe options.directory.flatMap { unsafe String(validatingCString: $0) }
        let ownerCount = unsafe options.trusted_owner_count
        guard unsafe (directory == nil) == (options.directory == nil), ownerCount >= 0,
            unsafe ownerCount == 0 || options.trusted_owners != nil
        else {
            fail(
                EINVAL,
                "\(function): the directory is not UTF-8, or trusted_owners does not match its count: correct it.")
            return nil
        }
        if let group = unsafe options.group {
            do throws(SegmentError) {
                self.group = try AttachmentOptions.groupID(unsafe String(cString: group))
            } catch {
                fail(error)
                return nil
            }
        }
        let owners = unsafe UnsafeBufferPointer(start: options.trusted_owners, count: ownerCount)
        trustedOwners = unsafe Set(owners.map { TrustedOwner.user($0) })
        let capacity = unsafe UInt(bitPattern: options.capacity)
        if capacity != 0 { self.capacity = Int(clamping: capacity) }
        if unsafe options.mode != 0 { mode = unsafe options.mode }
        if unsafe options.flags & SHAREDMEM_READ_ONLY != 0 { access = .readOnly }
        if unsafe options.flags & SHAREDMEM_PERSISTENT != 0 { lifetime = .persistent }
        if unsafe options.flags & SHAREDMEM_EXISTING != 0 { creates = false }
        if unsafe options.row_count != 0 { rowCount = unsafe Int(options.row_count) }
        if unsafe options.pin_count != 0 { pinCount = unsafe Int(options.pin_count) }
    }

    /// The size of the options in the first version.
    private static var firstSize: Int { 48 }
}
