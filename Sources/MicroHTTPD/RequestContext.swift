/// What is kept of a request between libmicrohttpd's calls: at first the length of its target, then a number or an object
/// of the handler's.
///
/// It is one word, so that a request that needs no object allocates none.
@safe package struct RequestContext {
    /// A number above two bits that are not both 0, or the address of a retained object.
    let bits: UnsafeMutableRawPointer

    init(bits: UnsafeMutableRawPointer) { unsafe self.bits = bits }

    /// A context for a request that needs none.
    static var none: RequestContext { RequestContext(number: 0) }

    package init(number: UInt32) {
        unsafe bits = UnsafeMutableRawPointer(bitPattern: UInt(number) << 2 | 1).unsafelyUnwrapped
    }

    /// A context for a request that the handler has not seen yet.
    init(targetByteCount: Int) {
        unsafe bits = UnsafeMutableRawPointer(bitPattern: UInt(targetByteCount) << 2 | 2).unsafelyUnwrapped
    }

    package init(retaining object: AnyObject) { unsafe bits = Unmanaged.passRetained(object).toOpaque() }

    /// Nil if this is not a number.
    package var number: UInt32? { word & 3 == 1 ? UInt32(truncatingIfNeeded: word >> 2) : nil }

    /// Nil if the handler has seen the request.
    var targetByteCount: Int? { word & 3 == 2 ? Int(word >> 2) : nil }

    private var word: UInt { unsafe UInt(bitPattern: bits) }

    /// The object that this context was made with; it must be of this class.
    package func object<Object: AnyObject>(_: Object.Type) -> Object {
        unsafe unsafeDowncast(Unmanaged<AnyObject>.fromOpaque(bits).takeUnretainedValue(), to: Object.self)
    }

    func release() {
        if word & 3 == 0 { unsafe Unmanaged<AnyObject>.fromOpaque(bits).release() }
    }
}
