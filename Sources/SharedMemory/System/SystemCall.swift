import CLinux
internal import Glibc

/// Runs a system call and throws what it reports; runs it again when a signal interrupted it.
///
/// - Parameters:
///   - name: the call's name in section 2 of the manual.
///   - path: what the call is about, for the error.
///   - body: makes the call and returns −errno when it fails.
@discardableResult @inline(__always)
func systemCall<Value: SignedInteger>(
    _ name: StaticString, on path: @autoclosure () -> String? = nil, _ body: () -> Value
) throws(SegmentError) -> Value {
    // Bounded: a process whose timers fire faster than the call completes gets EINTR in the end.
    var result = body()
    var triesLeft = 1000
    while result == -Value(EINTR), triesLeft > 0 {
        result = body()
        triesLeft -= 1
    }
    if result < 0 { throw .system(call: "\(name)" + (path().map { " " + $0 } ?? ""), code: Int32(-result)) }
    return result
}

/// Turns the C library's convention into the one of `systemCall`: −errno in place of −1.
@inline(__always)
func negatedErrno<Value: SignedInteger>(_ result: Value) -> Value {
    result < 0 ? -Value(errno) : result
}

enum Errno {
    /// The manual's words for it.
    static func describe(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

    /// What to do about one that users meet.
    static func advice(_ code: Int32) -> String? {
        switch code {
        case EACCES, EPERM:
            "Ask the owner for the right (--mode, when it is created), use a directory that can be written, "
                + "or for reading attach read-only."
        case EROFS: "Use a directory that can be written, or attach for reading only."
        case ENOENT: "Name a directory that is there."
        case ENOMEM: "Raise the limit on address space (ulimit -v), or create it with a smaller capacity."
        case EMFILE, ENFILE: "Close some files, or raise the limit (ulimit -n)."
        default: nil
        }
    }

    /// No memory is left on a tmpfs, no file may be added to it, or the user's quota is used up.
    static func isOutOfSpace(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }
}
