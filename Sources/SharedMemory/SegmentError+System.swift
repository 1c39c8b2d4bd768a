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
        case EACCES, EPERM: adviceOnPermission
        case EROFS: "Use a directory that you can write to, or attach read-only."
        case ENOENT: "Name a directory that exists."
        case ENOMEM: "Raise the limit on address space (ulimit -v), or create the segment with a smaller capacity."
        case ESHUTDOWN: "The process is exiting: do not use the segment any more."
        case EMFILE, ENFILE: "Close some files, or raise the limit (ulimit -n)."
        default: nil
        }
    }

    /// How to get the right that the call needs.
    private var adviceOnPermission: String {
        switch call.prefix(while: { $0 != " " }) {
        case "open(O_RDWR)":
            "Ask the owner for permission to write to the file. A program that only reads can attach read-only."
        case "open(O_TMPFILE)", "open(O_CREAT)", "linkat", "renameat2", "rename":
            "Ask the directory's owner for permission to create files there, or use a directory that you can write to."
        case "unlink", "unlinkat": "Have the file's owner or root remove it."
        case "open", "opendir", "stat", "lstat":
            "Ask the owner for permission to read the file, and to search the directories above it."
        default: "Ask the owner for permission, or have root do it."
        }
    }
}
