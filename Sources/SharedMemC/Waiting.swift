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
            case .replaced(let present):
                if let version = unsafe version { unsafe version.pointee = sharedmem_version_t(present) }
                return 0
            case .timeIsUp: return fail(ETIMEDOUT, "The text did not change in \(timeoutMilliseconds) ms.")
            case .interrupted: return fail(EINTR, "A signal came while waiting, and was handled: wait again.")
            }
        } catch {
            return fail(error)
        }
    }
}
