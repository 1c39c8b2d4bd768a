/// What is kept of a request between libmicrohttpd's calls: at first the length of its target, then an object of the
/// handler's.
///
/// It is one word, so that a request that needs no object allocates none.
@safe package struct RequestContext {
    /// The length of a target above the bits 10, or the address of a retained object with the bits 00 or 11, or 1.
    let bits: UnsafeMutableRawPointer

    init(bits: UnsafeMutableRawPointer) { unsafe self.bits = bits }

    /// A context for a request that needs none.
    static var none: RequestContext {
        unsafe RequestContext(bits: UnsafeMutableRawPointer(bitPattern: 1 as UInt).unsafelyUnwrapped)
    }

    /// A context for a request that the handler has not seen yet.
    ///
    /// - Parameter versionOffset: where in the target the version begins that it asks for; 0 if it asks for none.
    init(targetByteCount: Int, versionOffset: Int = 0) {
        let word = UInt(versionOffset) << 32 | UInt(targetByteCount) << 2 | 2
        unsafe bits = UnsafeMutableRawPointer(bitPattern: word).unsafelyUnwrapped
    }

    /// A context for a request that needs nothing but an object that exists already.
    package init(plain object: AnyObject) {
        unsafe bits =
            UnsafeMutableRawPointer(
                bitPattern: UInt(bitPattern: Unmanaged.passRetained(object).toOpaque()) | 3
            ).unsafelyUnwrapped
    }

    package init(retaining object: AnyObject) { unsafe bits = Unmanaged.passRetained(object).toOpaque() }

    /// The object of ``init(plain:)``, which must be of this class; nil for any other context.
    package func plain<Object: AnyObject>(_: Object.Type) -> Object? {
        guard word & 3 == 3, let address = unsafe UnsafeRawPointer(bitPattern: word & ~3) else { return nil }
        return unsafe unsafeDowncast(Unmanaged<AnyObject>.fromOpaque(address).takeUnretainedValue(), to: Object.self)
    }

    /// Nil if the handler has seen the request.
    var targetByteCount: Int? { word & 3 == 2 ? Int(word >> 2 & 0x3fff_ffff) : nil }

    /// For a request that the handler has not seen: where in the target the requested version begins; 0 for none.
    var versionOffset: Int { Int(word >> 32) }

    private var word: UInt { unsafe UInt(bitPattern: bits) }

    /// The object that this context was made with; it must be of this class.
    package func object<Object: AnyObject>(_: Object.Type) -> Object {
        unsafe unsafeDowncast(Unmanaged<AnyObject>.fromOpaque(bits).takeUnretainedValue(), to: Object.self)
    }

    func release() {
        guard word & 3 == 0 || word & 3 == 3, let address = unsafe UnsafeRawPointer(bitPattern: word & ~3)
        else { return }
        unsafe Unmanaged<AnyObject>.fromOpaque(address).release()
    }
}
