public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_version_format(_ version: sharedmem_version_t, _ buffer: UnsafeMutablePointer<CChar>?) {
    guard let buffer = unsafe buffer else { return }
    var text = Version(version).description
    text.withUTF8 { text in
        precondition(text.count < SHAREDMEM_VERSION_SIZE)
        let room = unsafe UnsafeMutableRawBufferPointer(start: buffer, count: text.count + 1)
        unsafe room.copyBytes(from: text)
        unsafe room[text.count] = 0
    }
}

@c @implementation
public func sharedmem_version_parse(
    _ text: UnsafePointer<CChar>?, _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    guard let text = unsafe text else { return failForNull("text") }
    guard let version = unsafe version else { return failForNull("version") }
    let string = unsafe String(cString: text)
    guard let parsed = Version(string) else {
        return fail(EINVAL, "'\(string)' is not a version: give one as INSTANCE-NUMBER, exactly as it was printed.")
    }
    unsafe version.pointee = sharedmem_version_t(parsed)
    return 0
}

extension Version {
    init(_ version: sharedmem_version_t) { self.init(instance: version.instance, number: version.number) }
}

extension sharedmem_version_t {
    init(_ version: Version) { self.init(instance: version.instance, number: version.number) }
}
