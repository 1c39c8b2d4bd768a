public import CSharedMem
internal import Glibc
internal import SharedMemory

@c @implementation
public func sharedmem_get(
    _ segment: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int,
    _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> Int {
    guard let segment = unsafe segment else { return Int(failForNull("segment")) }
    guard unsafe buffer != nil || size == 0 else { return Int(failForNull("buffer")) }
    // A size_t beyond Int.max is more than enough.
    let room = unsafe UnsafeMutableRawBufferPointer(start: buffer, count: size >= 0 ? size : .max)
    return unsafe Handle.with(segment) { unsafe $0.copyText(into: room, version) }
}

extension Handle {
    /// Copies as much of the text as fits, and returns the length of all of it, or -1.
    fileprivate func copyText(
        into room: UnsafeMutableRawBufferPointer, _ version: UnsafeMutablePointer<sharedmem_version_t>?
    ) -> Int {
        do throws(SegmentError) {
            let borrow = try segment.borrow()
            defer { extendLifetime(borrow) }
            unsafe copyWholeCharacters(borrow.text, into: room)
            if let version = unsafe version {
                unsafe version.pointee = sharedmem_version_t(try segment.version(of: borrow))
            }
            return unsafe borrow.text.count
        } catch {
            return Int(fail(error))
        }
    }
}

@c @implementation
public func sharedmem_get_alloc(
    _ segment: OpaquePointer?, _ length: UnsafeMutablePointer<Int>?,
    _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> UnsafeMutablePointer<CChar>? {
    guard let segment = unsafe segment else {
        failForNull("segment")
        return nil
    }
    var copy: UnsafeMutableRawPointer?
    _ = unsafe Handle.with(segment) { handle in
        attempt { () throws(SegmentError) in
            let borrow = try handle.segment.borrow()
            defer { extendLifetime(borrow) }
            let size = unsafe borrow.text.count + 1
            unsafe copy = malloc(size)
            guard let copy = unsafe copy else { throw .system(call: "malloc", code: ENOMEM) }
            unsafe copyWholeCharacters(borrow.text, into: UnsafeMutableRawBufferPointer(start: copy, count: size))
            unsafe length?.pointee = size - 1
            if let version = unsafe version {
                unsafe version.pointee = sharedmem_version_t(try handle.segment.version(of: borrow))
            }
        }
    }
    return unsafe copy?.assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func sharedmem_free(_ text: UnsafeMutablePointer<CChar>?) { unsafe free(text) }

/// Copies as many whole characters as fit in front of a terminating zero.
@inline(__always)
func copyWholeCharacters(_ text: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer) {
    guard unsafe !buffer.isEmpty else { return }
    var count = min(text.count, buffer.count - 1)
    if count < text.count {
        while count > 0, unsafe UTF8.isContinuation(text[count]) { count -= 1 }
    }
    unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: text[..<count]))
    unsafe buffer[count] = 0
}

@c @implementation
public func sharedmem_version(
    _ segment: OpaquePointer?, _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    guard let version = unsafe version else { return failForNull("version") }
    return unsafe Handle.with(segment) { handle in
        attemptKeepingErrno { () throws(SegmentError) in
            unsafe version.pointee = sharedmem_version_t(try handle.segment.version)
        }
    }
}

@c @implementation
public func sharedmem_wait(
    _ segment: OpaquePointer?, _ after: sharedmem_version_t, _ timeoutMilliseconds: CInt,
    _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    return unsafe wait(segment, Version(after), timeoutMilliseconds, version)
}

@c @implementation
public func sharedmem_wait_after(
    _ segment: OpaquePointer?, _ instance: UInt64, _ number: UInt64, _ timeoutMilliseconds: CInt,
    _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    guard let segment = unsafe segment else { return failForNull("segment") }
    return unsafe wait(segment, Version(instance: instance, number: number), timeoutMilliseconds, version)
}

private func wait(
    _ segment: OpaquePointer, _ after: Version, _ timeoutMilliseconds: CInt,
    _ version: UnsafeMutablePointer<sharedmem_version_t>?
) -> CInt {
    let before = errno
    let timeout: Duration? = timeoutMilliseconds < 0 ? nil : .milliseconds(timeoutMilliseconds)
    return unsafe Handle.with(segment) { handle in
        do throws(SegmentError) {
            switch try handle.segment.waitInterruptibly(after: after, timeout: timeout) {
            case .replaced(let current):
                unsafe version?.pointee = sharedmem_version_t(current)
                errno = before
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
