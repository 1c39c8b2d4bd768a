internal import Glibc
import LinuxSystem

/// Makes system calls and turns their errors into ``SegmentError/system(call:code:)``.
@inline(__always)
func fromSystem<Value: ~Copyable>(_ calls: @autoclosure () throws(SystemError) -> Value) throws(SegmentError) -> Value {
    do throws(SystemError) {
        return try calls()
    } catch {
        throw SegmentError(error)
    }
}

extension SystemError {
    /// The error as text, with advice if there is any.
    var sentences: String { "\(self)." + (advice.map { " " + $0 } ?? "") }

    /// How to deal with an error that users meet.
    var advice: String? {
        switch code {
        case EACCES, EPERM:
            "Ask the owner for permission, use a directory that you can write to, or attach read-only if you only read."
        case EROFS: "Use a directory that you can write to, or attach read-only."
        case ENOENT: "Name a directory that exists."
        case ENOMEM: "Raise the limit on address space (ulimit -v), or create the segment with a smaller capacity."
        case ESHUTDOWN: "The process is exiting: do not use the segment any more."
        case EMFILE, ENFILE: "Close some files, or raise the limit (ulimit -n)."
        default: nil
        }
    }
}
