internal import CSharedMem
internal import Glibc
internal import SharedMemory

/// Runs `body` and returns 0, or leaves its error for C and returns -1.
///
/// Only an error changes errno: Go and Java, among others, take any other value than before for a failure.
@inline(__always) @discardableResult
func attempt(_ body: () throws(SegmentError) -> Void) -> CInt {
    let before = errno
    let result = attemptKeepingErrno(body)
    if result == 0 { errno = before }
    return result
}

/// As ``attempt(_:)``, for a body that keeps errno itself where it makes system calls, as borrowing does.
@inline(__always)
func attemptKeepingErrno(_ body: () throws(SegmentError) -> Void) -> CInt {
    do throws(SegmentError) {
        try body()
        return 0
    } catch {
        return fail(error)
    }
}

@inline(never) @discardableResult
func fail(_ error: SegmentError) -> CInt { fail(error.errno, error.description) }

/// Leaves an error for C and returns -1.
@inline(never) @discardableResult
func fail(_ code: CInt, _ text: String) -> CInt {
    var text = text
    text.withUTF8 { bytes in
        unsafe bytes.withMemoryRebound(to: CChar.self) {
            unsafe sharedmem_internal_fail(code, $0.baseAddress, $0.count)
        }
    }
    return -1
}

@inline(never) @discardableResult
func failForNull(_ argument: StaticString, function: StaticString = #function) -> CInt {
    let name = function.description.prefix { $0 != "(" }
    return fail(EINVAL, "\(name): \(argument) is a null pointer: pass a valid one.")
}

extension SegmentError {
    /// The errno that `sharedmem.h` lists for this error.
    fileprivate var errno: CInt {
        switch self {
        case .invalidName, .invalidCapacity, .invalidRowCount, .invalidPinCount, .invalidEnvironment, .unknownUser,
            .unknownGroup:
            EINVAL
        case .tooLong: EMSGSIZE
        case .notUTF8, .containsNUL: EILSEQ
        case .versionMismatch: ESTALE
        case .readOnly: EROFS
        case .replicated: EREMOTEIO
        case .notFound, .leftover: ENOENT
        case .unlinked: EIDRM
        case .descriptorLost: EBADF
        case .capacityMismatch, .permissionsMismatch: EEXIST
        case .stillAttached, .stillReplicated: EBUSY
        case .notASegment, .otherLayout: ENOTSUP
        case .untrustedOwner, .groupNotPermitted: EPERM
        case .leftBehind: EOWNERDEAD
        case .notInMemory: ENODEV
        case .otherKernel: EREMOTE
        case .corrupted: EUCLEAN
        case .noSpace: ENOSPC
        case .fileSizeLimit: EFBIG
        case .busy: EAGAIN
        case .system(_, let code): code
        }
    }
}
