import LinuxSystem

/// Why an operation failed, in cases that a caller can act on.
///
/// Whatever is thrown, the segment's text is unchanged.
public enum SegmentError: Error, Hashable, Sendable, CustomStringConvertible {
    // The caller's request.

    /// The name is not 1 to 200 of the characters `A-Z a-z 0-9 . _ -`, or it begins with a dot.
    case invalidName(String)
    /// The capacity is not from 1 byte to ``Segment/maximumCapacity``.
    case invalidCapacity(Int)
    /// A segment cannot have so many rows.
    case invalidRowCount(Int)
    /// A segment cannot have so many pins.
    case invalidPinCount(Int)
    /// An environment variable does not have the form that it must have.
    case invalidEnvironment(variable: String, value: String)
    /// This host has no user of this name.
    case unknownUser(String)
    /// This host has no group of this name.
    case unknownGroup(String)
    /// The caller may not give a file to this group, because it is not a member.
    case groupNotPermitted(group: UInt32)
    /// The text has more bytes than the segment's capacity.
    case tooLong(byteCount: Int, capacity: Int)
    /// The text is not UTF-8; `offset` is that of the first invalid byte.
    case notUTF8(offset: Int)
    /// The text contains U+0000 at `offset` (bytes), where C programs would see it end.
    case containsNUL(offset: Int)
    /// The text does not have the version that the caller expected.
    case versionMismatch(current: Version)
    /// The segment is attached read-only.
    case readOnly(name: String)
    /// Only the server that replicates the segment sets its text; `url` is where that server accepts text from this host, or nil
    /// if that is not known or no server runs.
    case replicated(name: String, directory: String, url: String?)

    // The segment and its file.

    /// The segment does not exist; `found` lists some of those in the directory: all of them if they are at most ten.
    case notFound(name: String, directory: String, found: [String])
    /// The segment was to last while processes are attached, and all of them were killed: only its file is left.
    case leftover(name: String, directory: String)
    /// The segment was unlinked, or another file has its name: there will be no later version to wait for.
    case unlinked(name: String)
    /// The program has closed a descriptor of this library's, or put another file in its place: the text can be read where no
    /// system call is needed, and not set.
    case descriptorLost
    /// The segment exists with a capacity other than the one asked for.
    case capacityMismatch(name: String, capacity: Int, requested: Int)
    /// The caller asked for another mode or group than the segment's file has, and may not change it.
    case permissionsMismatch(path: String, mode: UInt32, group: UInt32, owner: UInt32)
    /// The segment cannot be migrated, because processes are attached to it.
    case stillAttached(name: String)
    /// The segment cannot be released, because a server replicates it.
    case stillReplicated(name: String)
    /// The name leads to a file that this library cannot use.
    case notASegment(path: String, reason: String)
    /// The file is a segment of another layout version: another version of this library has created it.
    case otherLayout(path: String, version: Int, ownVersion: Int)
    /// The file belongs to a user whom the caller does not trust.
    case untrustedOwner(path: String, owner: UInt32)
    /// The last process of the segment is gone, and only the file's owner or root can remove the file.
    case leftBehind(path: String, owner: UInt32)
    /// The directory is not on a tmpfs, so that the text would be stored on a disk and not in memory.
    case notInMemory(path: String)
    /// The segment lives in the memory of another kernel, whose locks this one does not see.
    case otherKernel(path: String)
    /// The segment's content breaks the protocol: something other than this library has written to its file.
    case corrupted(path: String, reason: String)

    // Limits.

    /// The tmpfs has no memory left.
    case noSpace(path: String, byteCount: Int)
    /// The process is not allowed to create a file of this size (RLIMIT_FSIZE).
    case fileSizeLimit(limit: UInt64, needed: Int)
    /// The segment stayed busy, most often for a second; another attempt may succeed.
    case busy(doing: String)

    /// The operating system refused a call; `code` is the errno.
    case system(call: String, code: Int32)

    init(_ error: SystemError) {
        self = error == .lostDescriptor ? .descriptorLost : .system(call: error.call, code: error.code)
    }

    /// How many segments the description of ``notFound(name:directory:found:)`` names.
    static let namedSegmentCount = 10

    private static func some(of names: [String]) -> String {
        names.prefix(namedSegmentCount).joined(separator: ", ") + (names.count > namedSegmentCount ? " and others" : "")
    }

    /// What happened and what to do, in a sentence or two.
    public var description: String {
        switch self {
        case .invalidName(let name):
            "\(name.debugDescription) is not a segment name: use 1 to 200 of the characters A-Z a-z 0-9 . _ - and do not "
                + "begin with a dot."
        case .invalidCapacity(let capacity):
            "A capacity of \(capacity) bytes is not possible: use 1 to \(Segment.maximumCapacity)."
        case .invalidRowCount(let count):
            "\(count) rows are not possible: use 2 to 16384."
        case .invalidPinCount(let count):
            "\(count) pins are not possible: use 1 to 16384."
        case .invalidEnvironment(let variable, let value):
            "\(variable)=\(value) in the environment "
                + (variable == "SHAREDMEM_TRUST_OWNER"
                    ? "names a user or a group that this host does not know"
                    : "is not a number of bytes from 1 to \(Segment.maximumCapacity)") + ": correct it, or unset it."
        case .unknownUser(let name):
            "This host has no user \(name.debugDescription): correct the name, or give the user's number, or @GROUP for all "
                + "members of a group."
        case .unknownGroup(let name):
            "This host has no group \(name.debugDescription): correct the name, or give the group's number."
        case .groupNotPermitted(let group):
            "The segment cannot be given to group \(AccountName.ofGroup(group)), as this process is not a member: choose one "
                + "of its own groups, or let a member or root create the segment."
        case .tooLong(let byteCount, let capacity):
            "The text has \(byteCount) bytes, and the segment's capacity is \(capacity): shorten the text, "
                + "or unlink the segment and create it again with a larger capacity."
        case .notUTF8(let offset):
            "The text is not UTF-8: the byte at offset \(offset) is invalid. Encode the text as UTF-8."
        case .containsNUL(let offset):
            "The text contains U+0000 at offset \(offset), where C programs would see the text end: remove it."
        case .versionMismatch(let current):
            "The text has changed: its version is now \(current). Read the text again, then set it."
        case .readOnly(let name):
            "The segment '\(name)' is attached read-only: attach it with write access to set its text."
        case .replicated(let name, let directory, let url):
            "The text of '\(name)' was not set, because a server replicates the segment: set it through that server"
                + (url.map { " (curl --upload-file FILE \($0))" } ?? "")
                + ". If no server will replicate it again, run `sharedmem release \(name)"
                + (directory == "/dev/shm" ? "" : " --directory \(directory)") + "`, then set it."
        case .notFound(let name, let directory, let found):
            "There is no segment '\(name)' in \(directory) ("
                + (found.isEmpty ? "no segments there" : "segments there: " + Self.some(of: found))
                + "). Set its text to create it, or name another directory."
        case .leftover(let name, let directory):
            "The segment '\(name)' in \(directory) was left behind by processes that were killed, and counts as removed: "
                + "unlink it to remove its file (sharedmem unlink \(name))."
        case .unlinked(let name):
            "The segment '\(name)' was unlinked, or another file has its name: attach again."
        case .descriptorLost:
            "The program has closed a file descriptor that belongs to this library: attach again, and have the program close "
                + "only descriptors that it has opened."
        case .capacityMismatch(let name, let capacity, let requested):
            "The segment '\(name)' exists with a capacity of \(capacity) bytes, not \(requested): ask for \(capacity), ask "
                + "for no capacity, or unlink the segment first."
        case .permissionsMismatch(let path, let mode, let group, let owner):
            "\(path) exists with mode \(String(mode, radix: 8)) and group \(AccountName.ofGroup(group)), and only its owner, "
                + "user \(AccountName.ofUser(owner)), or root can change them, with write access: ask for no mode and no "
                + "group, or have one of them change the file."
        case .stillAttached(let name):
            "Processes are attached to the segment '\(name)': end all programs that use it, then migrate it."
        case .stillReplicated(let name):
            "A server replicates the segment '\(name)': stop the server, or start it again without this name, then release "
                + "the segment."
        case .notASegment(let path, let reason):
            "\(path) is not a segment that this version can use: \(reason). The file was left as it is: move it away, or "
                + "use another name."
        case .otherLayout(let path, let version, let ownVersion):
            "\(path) has layout version \(version), and this library's is \(ownVersion): use the same library in all "
                + "programs, or, if no program uses the segment, "
                + (version < ownVersion ? "have `sharedmem migrate` take over its text." : "unlink it.")
        case .untrustedOwner(let path, let owner):
            "\(path) belongs to user \(AccountName.ofUser(owner)), and its owner could change or truncate it at any time: "
                + "name the owner as trusted (--trust-owner \(AccountName.optionValue(ofUser: owner)), or "
                + "SHAREDMEM_TRUST_OWNER=\(AccountName.optionValue(ofUser: owner))), or use another directory."
        case .leftBehind(let path, let owner):
            "\(path) was left behind by user \(owner), and in this directory only that user or root can remove it: "
                + "have one of them unlink it. If several users share a segment, make it persistent."
        case .notInMemory(let path):
            "\(path) is not on a tmpfs: use a directory that is, such as /dev/shm or a volume in memory."
        case .otherKernel(let path):
            "\(path) was created before the last boot, or in a sandbox with a kernel of its own, whose locks this kernel "
                + "does not see: share it only between processes of one kernel, or unlink it."
        case .corrupted(let path, let reason):
            "\(path) is damaged (\(reason)): something other than this library has written to it. "
                + "Unlink the segment and create it again."
        case .noSpace(let path, let byteCount):
            "No memory is left on the tmpfs for \(byteCount) bytes of \(path): free some, or give the tmpfs a larger size."
        case .fileSizeLimit(let limit, let needed):
            "The process's file size limit is \(limit) bytes, and the segment needs \(needed) (it is sparse): "
                + "raise RLIMIT_FSIZE (ulimit -f), or ask for a smaller capacity."
        case .busy(let doing):
            "The segment stayed busy, so \(doing) failed: try again."
        case .system(let call, let code):
            SystemError(call: call, code: code).sentences
        }
    }
}
