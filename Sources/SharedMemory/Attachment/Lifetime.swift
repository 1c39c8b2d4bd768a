internal import Glibc
import LinuxSystem

/// Whether processes are attached, and which process may unlink the name.
///
/// Every attachment holds a shared lock on the lifetime byte. A process that gets an exclusive lock on it knows that no
/// other process is attached.
///
/// The law of names: a process unlinks a name only while it holds an exclusive lock on that file's name byte, and after it
/// has checked that the name still leads to that file. Otherwise the name could lead to another, living segment by the time
/// it is unlinked.
extension OpenFile {
    enum Taking {
        case taken
        /// The file was a leftover, or the name leads to another file by now.
        case moved
        /// Another process is checking whether the file is a leftover, or is removing it.
        case refused
    }

    /// Keeps the segment alive from now on, if it is not a leftover.
    func takeLifetime() throws(SegmentError) -> Taking {
        if access == .readOnly {
            guard try isAlive() else { throw try absence() }
        } else if try isLeftover() {
            PausePoint.attachFoundLeftover.reached()
            return try removeLeftover()
        } else {
            PausePoint.attachNotLeftover.reached()
            // A refusal is no sign of life: the lock may belong to a process that is removing a leftover.
            guard try isAlive() else { return .refused }
        }
        // Turns an exclusive lock into a shared one.
        guard try fromSystem(descriptor.tryLockShared(byte: Layout.lifetimeLock)) else { return .refused }
        PausePoint.attachSharedLifetime.reached()
        return try isInDirectory() ? .taken : .moved
    }

    /// Whether the segment is not persistent and no process is attached; if so, none can attach until this descriptor is
    /// closed.
    ///
    /// A persistent segment is never a leftover. As persistence sticks, seeing it once is enough; looking first spares
    /// other processes a refusal because of this exclusive lock. Looking again under the lock makes it certain, as only an
    /// attached process can make a segment persistent.
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

    /// Whether the segment is more than a leftover.
    ///
    /// An exclusive lock is no sign of life: a process gets it only if no process is attached.
    func isAlive() throws(SegmentError) -> Bool {
        // The lock comes first. Otherwise its last holder could make the segment persistent between the two looks, and
        // leave.
        let isAttached = try fromSystem(descriptor.lockElsewhere(byte: Layout.lifetimeLock)) == .shared
        PausePoint.aliveLookedAtLock.reached()
        return isAttached ? true : try isPersistent()
    }

    /// Why a segment that no process keeps alive cannot be read.
    func absence() throws(SegmentError) -> SegmentError {
        // The last process to detach may be about to remove the name.
        BackgroundThread.pause()
        return try hasLostName() ? file.notFound : file.leftover
    }

    /// Stops keeping the segment alive, and removes its name if no other process does.
    ///
    /// It drops the shared lock before it tries to get the exclusive one: if two last processes upgraded their locks at
    /// once, each would refuse the other, and the file would stay. A process that fails here leaves the file to the next
    /// attach.
    func leaveLifetime() {
        try? descriptor.unlock(byte: Layout.lifetimeLock)
        if access == .readOnly {
            // If this process may write after all, it can check through another descriptor of the same file.
            guard let writable = try? FileDescriptor.open(file.path, .readWrite),
                (try? writable.status().identity) == status.identity
            else { return }
            try? OpenFile(file, writable, status, identity, .readWrite).leaveLifetime()
            return
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
    /// - Returns: false if another process is doing so.
    func unlinkName() throws(SegmentError) -> Bool {
        guard try fromSystem(descriptor.tryLockExclusive(byte: Layout.nameLock)) else { return false }
        PausePoint.unlinkLocked.reached()
        if try isInDirectory() {
            PausePoint.unlinkChecked.reached()
            try unlink()
        }
        PausePoint.unlinkDone.reached()
        try fromSystem(descriptor.unlock(byte: Layout.nameLock))
        return true
    }
}
