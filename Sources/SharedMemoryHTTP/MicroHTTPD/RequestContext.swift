/// What is kept of a request between MHD's calls: first the length of its target, then what its handler
/// keeps, a number or an object; in one word, so that a request that needs no object allocates none.
@safe struct RequestContext {
    /// A number over two bits that are not both 0, or the address of a retained object.
    let bits: UnsafeMutableRawPointer

    init(bits: UnsafeMutableRawPointer) { unsafe self.bits = bits }

    /// For a request of which there is nothing to keep.
    static var none: RequestContext { RequestContext(0) }

    init(_ number: UInt32) {
        unsafe bits = UnsafeMutableRawPointer(bitPattern: UInt(number) << 2 | 1).unsafelyUnwrapped
    }

    /// For a request whose handler has not seen it yet.
    init(targetByteCount: Int) {
        unsafe bits = UnsafeMutableRawPointer(bitPattern: UInt(targetByteCount) << 2 | 2).unsafelyUnwrapped
    }

    init(retaining object: AnyObject) {
        unsafe bits = Unmanaged.passRetained(object).toOpaque()
    }

    /// Nil for anything else, as are the other two.
    var number: UInt32? {
        let word = unsafe UInt(bitPattern: bits)
        return word & 3 == 1 ? UInt32(truncatingIfNeeded: word >> 2) : nil
    }

    var targetByteCount: Int? {
        let word = unsafe UInt(bitPattern: bits)
        return word & 3 == 2 ? Int(word >> 2) : nil
    }

    var isObject: Bool { unsafe UInt(bitPattern: bits) & 3 == 0 }

    /// Only for a context that was made of an object of this class.
    func object<Object: AnyObject>(_: Object.Type) -> Object {
        unsafe unsafeDowncast(Unmanaged<AnyObject>.fromOpaque(bits).takeUnretainedValue(), to: Object.self)
    }

    func release() {
        if isObject { unsafe Unmanaged<AnyObject>.fromOpaque(bits).release() }
    }
}
