import LinuxSystem

/// Why something was refused, in cases a caller can act on.
///
/// Whatever is thrown, the segment's text is what it was.
public enum SegmentError: Error, Hashable, Sendable {
    // What the caller asked for.

    /// Not 1 to 200 of `A-Z a-z 0-9 . _ -`, or beginning with a dot.
    case invalidName(String)
    /// Not from 1 byte to ``Segment/maximumCapacity``.
    case invalidCapacity(Int)
    /// An environment variable is not what it must be.
    case invalidEnvironment(variable: String, value: String)
    /// The text has more bytes than the segment's capacity.
    case tooLong(byteCount: Int, capacity: Int)
    /// The text is not UTF-8; `offset` is that of the first bad byte.
    case notUTF8(offset: Int)
    /// The text contains U+0000 at `offset` (bytes); to C programs it would end there.
    case containsNUL(offset: Int)
    /// The text is no longer the one the caller knew.
    case versionMismatch(current: Version)
    /// The segment was attached for reading only.
    case readOnly(name: String)

    // What is there, or is not.

    /// There is no such segment; `found` are those that are there.
    case notFound(name: String, directory: String, found: [String])
    /// The segment was unlinked, or another took its name: what is waited for will not come.
    case unlinked(name: String)
    /// The segment exists with another capacity than the one asked for.
    case capacityMismatch(name: String, capacity: Int, requested: Int)
    /// The file in the segment's place is not one this library can use.
    case notASegment(path: String, reason: String)
    /// The file in the segment's place belongs to a user the caller does not trust.
    case untrustedOwner(path: String, owner: UInt32)
    /// The name is that of a segment whose last process is gone, and only its owner or root can remove it.
    case leftBehind(path: String, owner: UInt32)
    /// The directory is not on a tmpfs, so a text there would be on a disk, not in memory.
    case notInMemory(path: String)
    /// The segment lives in another kernel's memory, whose locks this one does not see.
    case otherKernel(path: String)
    /// The segment's content breaks the protocol: something else has written to its file.
    case corrupted(path: String, reason: String)

    // What ran out.

    /// As many read-write attachments as a segment can have; attaching for reading only is not limited.
    case tooManyAttached(name: String, limit: Int)
    /// As many readers and borrows as a segment has pins; reading without a ``Reader`` goes on.
    case tooManyReaders(name: String, limit: Int)
    /// No memory is left on the tmpfs.
    case noSpace(path: String, byteCount: Int)
    /// The process may not create a file of this size (RLIMIT_FSIZE).
    case fileSizeLimit(limit: UInt64, needed: Int)
    /// Others were in the way for a second or more; trying again is right.
    case busy(doing: String)

    /// The operating system refused something; `code` is its errno.
    case system(call: String, code: Int32)
}

extension SegmentError: CustomStringConvertible {
    /// What is wrong and what to do next, in a sentence or two.
    public var description: String {
        switch self {
        case .invalidName(let name):
            "\(name.debugDescription) is not a segment name: use 1 to 200 of A-Z a-z 0-9 . _ - and do not begin with a dot."
        case .invalidCapacity(let capacity):
            "A capacity of \(capacity) bytes is not possible: use 1 to \(Segment.maximumCapacity)."
        case .invalidEnvironment(let variable, let value):
            "\(variable)=\(value) in the environment is not a number of bytes: write it in digits, or unset it."
        case .tooLong(let byteCount, let capacity):
            "The text has \(byteCount) bytes and the segment's capacity is \(capacity): shorten the text, "
                + "or unlink the segment and create it with a larger capacity."
        case .notUTF8(let offset):
            "The text is not UTF-8: the byte at offset \(offset) does not belong there. Encode it as UTF-8."
        case .containsNUL(let offset):
            "The text contains U+0000 at offset \(offset), where C programs would see it end: remove it."
        case .versionMismatch(let current):
            "The text has changed: its version is \(current) now. Read it again, then set."
        case .readOnly(let name):
            "Segment '\(name)' is attached for reading only: attach it with read-write access to set its text."
        case .notFound(let name, let directory, let found):
            "There is no segment '\(name)' in \(directory) ("
                + (found.isEmpty ? "no segments there" : "there: " + found.joined(separator: ", "))
                + "). Set a text to create it, or name another directory."
        case .unlinked(let name):
            "Segment '\(name)' was unlinked, or another took its name: attach anew to see what is set under it."
        case .capacityMismatch(let name, let capacity, let requested):
            "Segment '\(name)' exists with a capacity of \(capacity) bytes, not \(requested): ask for that or for none, "
                + "or unlink it first."
        case .notASegment(let path, let reason):
            "\(path) is not a segment this version can use: \(reason). It was left as it is; move it away, or use another name."
        case .untrustedOwner(let path, let owner):
            "\(path) belongs to user \(owner), who could change or truncate it at will: "
                + "name that user as trusted, or use another directory."
        case .leftBehind(let path, let owner):
            "\(path) was left behind by user \(owner), and in this directory only that user or root can remove it: "
                + "have them unlink it. A segment that several users share is better made persistent."
        case .notInMemory(let path):
            "\(path) is not on a tmpfs: use a directory on one, such as /dev/shm or a volume in memory."
        case .otherKernel(let path):
            "\(path) was created under another boot of the kernel or in a sandbox with a kernel of its own, whose locks "
                + "are not seen here: share it between processes of one kernel only, or unlink it."
        case .corrupted(let path, let reason):
            "\(path) is damaged (\(reason)): something other than this library has written to it. "
                + "Unlink the segment and create it again."
        case .tooManyAttached(let name, let limit):
            "Segment '\(name)' has \(limit) read-write attachments already: detach one, or attach for reading only, "
                + "which is not limited."
        case .noSpace(let path, let byteCount):
            "No memory is left on the tmpfs for \(byteCount) bytes of \(path): free some, or give the tmpfs a larger size."
        case .tooManyReaders(let name, let limit):
            "All \(limit) pins of segment '\(name)' are taken: end a reader, or read without one (withText)."
        case .fileSizeLimit(let limit, let needed):
            "The process's file size limit is \(limit) bytes and the segment needs \(needed) (it is sparse): "
                + "raise RLIMIT_FSIZE (ulimit -f), or ask for a smaller capacity."
        case .busy(let doing):
            "Others were in the way of \(doing) for a second or longer: try again."
        case .system(let call, let code):
            SystemError(call: call, code: code).sentences
        }
    }
}
