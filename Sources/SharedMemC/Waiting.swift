public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_wait(
    _ segment: OpaquePointer?, _ after: sharedmem_version_t, _ timeoutMilliseconds: CInt,
    _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    let timeout: Duration? = timeoutMilliseconds < 0 ? nil : .milliseconds(timeoutMilliseconds)
    return unsafe Handle.with(segment) { handle in
        do throws(SegmentError) {
            switch try handle.segment.waitInterruptibly(after: Version(after), timeout: timeout) {
            case .replaced(let current):
                unsafe version?.pointee = sharedmem_version_t(current)
                return 0
            case .timeIsUp:
                return fail(
                    ETIMEDOUT, "The text did not change within \(timeoutMilliseconds) ms: wait again, or for longer.")
            case .interrupted: return fail(EINTR, "This thread handled a signal while it was waiting: wait again.")
            }
        } catch {
            return fail(error)
        }
    }
}
