internal import Glibc

/// Makes a system call, repeats it while signals interrupt it, and throws the error it reports.
///
/// - Parameters:
///   - name: the call's name in section 2 of the manual.
///   - path: the path that the call is made for; it becomes part of the error.
///   - body: makes the call and returns −errno if it fails.
@discardableResult @inline(__always)
package func systemCall<Value: SignedInteger>(
    _ name: StaticString, on path: @autoclosure () -> String? = nil, _ body: () -> Value
) throws(SystemError) -> Value {
    // Bounded: a process whose timers fire faster than the call completes gets EINTR in the end.
    var result = body()
    var triesLeft = 1000
    while result == -Value(EINTR), triesLeft > 0 {
        result = body()
        triesLeft -= 1
    }
    if result < 0 { throw SystemError(name, on: path(), code: CInt(-result)) }
    return result
}

/// Leaves errno as it was before `body`, whatever calls that makes.
@inline(__always)
package func preservingErrno<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let before = errno
    defer { errno = before }
    return try body()
}

/// Turns the C library's convention, −1 and errno, into −errno, as `systemCall` expects it.
@inline(__always)
package func negatedErrno<Value: SignedInteger>(_ result: Value) -> Value {
    result < 0 ? -Value(errno) : result
}
