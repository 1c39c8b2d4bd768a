internal import Glibc

/// What the operating system answered to a call that failed.
package struct SystemError: Error, Hashable, CustomStringConvertible {
    /// The call's name in section 2 of the manual and, where one is known, the path it was made for.
    package let call: String
    /// The errno.
    package let code: CInt

    package init(call: String, code: CInt) {
        self.call = call
        self.code = code
    }

    @inline(never)
    init(_ call: StaticString, on path: String?, code: CInt) {
        self.init(call: "\(call)" + (path.map { " " + $0 } ?? ""), code: code)
    }

    /// The manual's words for the errno.
    package var reason: String { unsafe String(cString: strerror(code)) }

    /// The program has closed a descriptor that is not its own, and perhaps opened another file under its number.
    package static let lostDescriptor = SystemError(call: "fstat", code: EBADF)

    /// Whether a tmpfs has no memory or no inode left, or the user's quota is used up.
    package var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT }

    package var description: String { "\(call): \(reason) (errno \(code))" }
}
