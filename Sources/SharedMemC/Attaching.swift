public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_attach(
    _ name: UnsafePointer<CChar>?, _ options: UnsafePointer<sharedmem_options_t>?
) -> OpaquePointer? {
    var attachment = AttachmentOptions()
    if let options = unsafe options {
        guard let known = unsafe KnownOptions(options) else {
            _ = fail(
                EINVAL,
                "sharedmem_attach: the options are not those of this version of the library, or have an unknown flag: "
                    + "initialize them with SHAREDMEM_OPTIONS.")
            return nil
        }
        guard let translated = unsafe known.translated else {
            _ = fail(
                EINVAL,
                "sharedmem_attach: the directory is not UTF-8, or trusted_owners does not match its count: correct it."
            )
            return nil
        }
        attachment = translated
    }
    var segment: Segment?
    let name = unsafe name.map { unsafe String(cString: $0) }
    let result = attempt { () throws(SegmentError) in segment = try Segment.attach(name, attachment) }
    guard result == 0, let segment else { return nil }
    return unsafe Handle(segment).retainedForC()
}

@c @implementation
public func sharedmem_detach(_ segment: OpaquePointer?) -> CInt {
    guard let segment = unsafe segment else { return 0 }
    let isBorrowed = unsafe Handle.with(segment) { $0.isBorrowed }
    if isBorrowed { return fail(EBUSY, "sharedmem_detach: a borrow or a reader is open: release or close it first.") }
    unsafe Handle.release(segment)
    return 0
}

/// Options that this version of the library understands.
@unsafe private struct KnownOptions {
    private let options: sharedmem_options_t

    private static let knownFlags = SHAREDMEM_READ_ONLY | SHAREDMEM_PERSISTENT | SHAREDMEM_EXISTING

    /// Nil if they are shorter than this version's, or longer and not zero beyond it, or have an unknown flag.
    init?(_ pointer: UnsafePointer<sharedmem_options_t>) {
        let knownSize = unsafe MemoryLayout<sharedmem_options_t>.size
        let size = unsafe pointer.pointee.size
        guard (knownSize...4096).contains(size) else { return nil }
        let unknown = unsafe UnsafeRawBufferPointer(start: pointer, count: size).dropFirst(knownSize)
        guard unsafe unknown.allSatisfy({ $0 == 0 }) else { return nil }
        unsafe options = pointer.pointee
        guard unsafe options.flags & ~Self.knownFlags == 0 else { return nil }
    }

    /// The options in Swift; nil if the directory is not UTF-8 or the list of trusted owners is missing.
    var translated: AttachmentOptions? {
        var translated = AttachmentOptions()
        if let path = unsafe options.directory {
            guard let directory = unsafe String(validatingCString: path) else { return nil }
            translated.directory = directory
        }
        let ownerCount = unsafe options.trusted_owner_count
        guard unsafe ownerCount == 0 || (options.trusted_owners != nil && ownerCount > 0) else { return nil }
        translated.trustedOwners = unsafe Set(UnsafeBufferPointer(start: options.trusted_owners, count: ownerCount))
        let capacity = unsafe UInt(bitPattern: options.capacity)
        if capacity != 0 { translated.capacity = Int(clamping: capacity) }
        if unsafe options.mode != 0 { translated.mode = unsafe options.mode }
        if unsafe options.flags & SHAREDMEM_READ_ONLY != 0 { translated.access = .readOnly }
        if unsafe options.flags & SHAREDMEM_PERSISTENT != 0 { translated.lifetime = .persistent }
        if unsafe options.flags & SHAREDMEM_EXISTING != 0 { translated.creates = false }
        return translated
    }
}
