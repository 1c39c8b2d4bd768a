internal import Glibc
import LinuxSystem

/// The mode and the group of a segment's file.
extension OpenFile {
    /// Gives the file the mode and the group that the options ask for, if it has others.
    ///
    /// - Throws: ``SegmentError/permissionsMismatch(path:mode:group:owner:)``, ``SegmentError/groupNotPermitted(group:)``
    func changePermissions(_ options: AttachmentOptions) throws(SegmentError) {
        guard !options.leavesPermissions, options.mode != nil || options.group != nil else { return }
        let status = try fromSystem(descriptor.status())
        let mode = (options.mode ?? status.mode) & 0o7777
        let group = options.group ?? status.group
        guard mode != status.mode || group != status.group else { return }
        do throws(SegmentError) {
            // A process that may only read cannot write the word below.
            guard access == .readWrite else { throw .system(call: "fchmod", code: EPERM) }
            if group != status.group {
                // The new group never has what only the old one was to have.
                try fromSystem(descriptor.setMode(mode & status.mode))
                do throws(SegmentError) {
                    try Self.setGroup(group, of: descriptor)
                } catch {
                    try? descriptor.setMode(status.mode)
                    throw error
                }
            }
            // Before any reader comes that cannot announce that it waits.
            if mode.letsOthersRead { try fromSystem(descriptor.write(UInt32(1), at: Layout.wakesAlwaysOffset)) }
            try fromSystem(descriptor.setMode(mode))
        } catch .system(_, let code) where code == EPERM {
            throw .permissionsMismatch(path: file.path, mode: status.mode, group: status.group, owner: status.owner)
        }
    }

    /// Gives a file of this process's user to a group.
    static func setGroup(_ group: UInt32, of descriptor: borrowing FileDescriptor) throws(SegmentError) {
        do throws(SystemError) {
            try descriptor.setOwner(group: group)
        } catch {
            // EINVAL: a user namespace does not know the group.
            throw [EPERM, EINVAL].contains(error.code) ? .groupNotPermitted(group: group) : SegmentError(error)
        }
    }
}

extension UInt32 {
    /// Whether a file with this mode may have readers other than its owner.
    var letsOthersRead: Bool { self & 0o044 != 0 }
}
