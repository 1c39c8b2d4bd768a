internal import Glibc
import LinuxSystem

/// Who is attached, and who may unlink the name.
///
/// Every attachment holds a shared lock on the lifetime byte; who gets it exclusively knows that
/// nobody else is attached.
///
/// The law of names: nobody unlinks a name without holding an exclusive lock on that file's name
/// byte and then having checked that the name still leads to that file. Otherwise the name could
/// come to lead to another, living segment between the check and the unlinking.
extension OpenFile {
    enum Taking {
        case taken
        /// It was a dead one's leftover, or the name leads elsewhere by now.
        case moved
        /// Someone is looking whether anyone is left, or is removing the leftover.
        case refused
    }

    /// Takes part in the segment's life.
    func takeLifetime() throws(SegmentError) -> Taking {
        if access == .readOnly {
            guard try isAlive() else { throw file.notFound }
        } else if try isLeftover() {
            PausePoint.attachFoundLeftover.reached()
            return try removeLeftover()
        } else {
            PausePoint.attachNotLeftover.reached()
            // A refusal is no sign of life: it may have come from one that is removing a leftover.
            guard try isAlive() else { return .refused }
        }
        // Turns an exclusive lock into a shared one.
        guard try fromSystem(descriptor.tryLockShared(byte: Layout.lifetimeLock)) else { return .refused }
        PausePoint.attachSharedLifetime.reached()
        return try file.leads(to: status.identity) ? .taken : .moved
    }

    /// Whether nobody is attached to what is not persistent; if so, no one can attach until this descriptor's end.
    ///
    /// A persistent segment is nobody's leftover. Persistence sticks, so seeing it is enough, and no
    /// one who comes meanwhile is refused for our exclusive lock's sake. Seen under the lock it is
    /// certain: it is made to stick only by those who are attached.
    private func isLeftover() throws(SegmentError) -> Bool {
        guard try !isPersistent() else { return false }
        PausePoint.leftoverNotPersistent.reached()
        guard try fromSystem(descriptor.tryLockExclusive(byte: Layout.lifetimeLock)) else { return false }
        return try !isPersistent()
    }

    private func removeLeftover() throws(SegmentError) -> Taking {
        do throws(SegmentError) {
            return try unlinkName() ? .moved : .refused
        } catch .system(_, let code) where code == EPERM || code == EACCES {
            throw .leftBehind(path: file.path, owner: status.owner)
        }
    }

    /// Whether the segment is more than a dead one's leftover.
    ///
    /// An exclusive lock is no sign of life: it is held by who has found that nobody is attached.
    func isAlive() throws(SegmentError) -> Bool {
        // The lock first: looked at second, its last holder could have made the segment persistent after
        // the first look, and left.
        let isAttached = try fromSystem(descriptor.lockElsewhere(byte: Layout.lifetimeLock)) == .shared
        PausePoint.aliveLookedAtLock.reached()
        return isAttached ? true : try isPersistent()
    }

    /// Whether the name was unlinked, or leads to another file by now.
    func isUnlinked() throws(SegmentError) -> Bool { try !file.leads(to: status.identity) }

    /// Ends this descriptor's part in the segment's life, and the segment's with it if it was the last.
    ///
    /// First drops the lock, then tries for the exclusive one: two last ones that upgraded at once
    /// would refuse each other, and both leave. Who cannot do its part leaves it to the next attach.
    func leaveLifetime() {
        try? descriptor.unlock(byte: Layout.lifetimeLock)
        if access == .readOnly {
            // May this process write after all, it can look through another descriptor.
            guard let other = try? OpenFile(reopening: self) else { return }
            return other.leaveLifetime()
        }
        PausePoint.detachDroppedLifetime.reached()
        if (try? isLeftover()) == true {
            PausePoint.detachFoundNobody.reached()
            _ = try? unlinkName()
        }
        try? descriptor.unlock(byte: Layout.lifetimeLock)
    }

    /// Removes the name by the law of names, if it still leads to this file.
    ///
    /// - Returns: false when another process is at it.
    func unlinkName() throws(SegmentError) -> Bool {
        guard try fromSystem(descriptor.tryLockExclusive(byte: Layout.nameLock)) else { return false }
        PausePoint.unlinkLocked.reached()
        if try file.leads(to: status.identity) {
            PausePoint.unlinkChecked.reached()
            try fromSystem(Directory.unlink(file.path))
        }
        PausePoint.unlinkDone.reached()
        try fromSystem(descriptor.unlock(byte: Layout.nameLock))
        return true
    }

    /// The same file with write access; nil when the name leads elsewhere by now.
    private init?(reopening open: borrowing OpenFile) throws(SegmentError) {
        let descriptor = try fromSystem(FileDescriptor.open(open.file.path, .readWrite))
        guard try fromSystem(descriptor.status()).identity == open.status.identity else { return nil }
        self.init(
            file: open.file, descriptor: descriptor, status: open.status, identity: open.identity, access: .readWrite)
    }
}
