/// What a handler keeps of a request between MHD's calls: a number or an object, in one word, so
/// that a request that needs no object allocates none.
@safe struct RequestContext {
    /// A number with its lowest bit set, or the address of a retained object.
    let bits: UnsafeMutableRawPointer

    init(bits: UnsafeMutableRawPointer) { unsafe self.bits = bits }

    /// For a request of which there is nothing to keep.
    static var none: RequestContext { RequestContext(0) }

    init(_ number: UInt32) {
        unsafe bits = UnsafeMutableRawPointer(bitPattern: UInt(number) << 1 | 1).unsafelyUnwrapped
    }

    init(retaining object: AnyObject) {
        unsafe bits = Unmanaged.passRetained(object).toOpaque()
    }

    /// Nil for an object.
    var number: UInt32? {
        let word = unsafe UInt(bitPattern: bits)
        return word & 1 == 1 ? UInt32(truncatingIfNeeded: word >> 1) : nil
    }

    /// Only for a context that was made of an object of this class.
    func object<Object: AnyObject>(_: Object.Type) -> Object {
        unsafe unsafeDowncast(Unmanaged<AnyObject>.fromOpaque(bits).takeUnretainedValue(), to: Object.self)
    }

    func release() {
        if number == nil { unsafe Unmanaged<AnyObject>.fromOpaque(bits).release() }
    }
}
