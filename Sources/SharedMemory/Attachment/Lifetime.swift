/// Who is attached, and who may unlink the name.
///
/// Every attachment holds a shared lock on the lifetime byte; who gets it exclusively knows that
/// nobody else is attached.
///
/// The law of names: nobody unlinks a name without holding an exclusive lock on that file's name
/// byte and then having checked that the name still leads to that file. Otherwise the name could
/// come to lead to another, living segment between the check and the unlinking.
extension OpenFile {
    enum Taking { case taken, again }

    /// Takes part in the segment's life.
    ///
    /// - Returns: `again` when the file was a dead one's leftover, or is on its way out.
    func takeLifetime() throws(SegmentError) -> Taking {
        if access == .readOnly { return try takeLifetimeForReading() }
        // A persistent segment is nobody's leftover. Persistence sticks, so seeing it is enough, and
        // no one who comes meanwhile is refused for our exclusive lock's sake.
        let persistent = try isPersistent()
        if !persistent, try descriptor.tryLockExclusive(byte: Layout.lifetimeLock), try !isPersistent() {
            _ = try unlinkName()
            return .again
        }
        // Turns an exclusive lock into a shared one. Refused: another is looking whether anyone is left.
        guard try descriptor.tryLockShared(byte: Layout.lifetimeLock) else { return .again }
        return try file.leads(to: status.identity) ? .taken : .again
    }

    /// A read-only descriptor can not lock exclusively, so it asks.
    private func takeLifetimeForReading() throws(SegmentError) -> Taking {
        guard try isAlive() else { throw file.notFound }
        guard try descriptor.tryLockShared(byte: Layout.lifetimeLock) else { return .again }
        return try file.leads(to: status.identity) ? .taken : .again
    }

    /// Whether the name was unlinked, or leads to another file by now.
    func isUnlinked() throws(SegmentError) -> Bool { try !file.leads(to: status.identity) }

    /// Whether the segment is more than a dead one's leftover.
    func isAlive() throws(SegmentError) -> Bool {
        if try isPersistent() { return true }
        return try descriptor.isLockedElsewhere(byte: Layout.lifetimeLock)
    }

    /// Ends this descriptor's part in the segment's life, and the segment's with it if it was the last.
    ///
    /// First drops the lock, then tries for the exclusive one: two last ones that upgraded at once
    /// would refuse each other, and both leave. Who cannot do its part leaves it to the next attach.
    func leaveLifetime() {
        try? descriptor.unlock(byte: Layout.lifetimeLock)
        guard access == .readWrite, (try? isPersistent()) == false,
            (try? descriptor.tryLockExclusive(byte: Layout.lifetimeLock)) == true
        else { return }
        // Asked again: it may have been made persistent before the lock was had.
        if (try? isPersistent()) == false { _ = try? unlinkName() }
        try? descriptor.unlock(byte: Layout.lifetimeLock)
    }

    /// Removes the name by the law of names, if it still leads to this file.
    ///
    /// - Returns: false when another process is at it.
    func unlinkName() throws(SegmentError) -> Bool {
        guard try descriptor.tryLockExclusive(byte: Layout.nameLock) else { return false }
        if try file.leads(to: status.identity) { try Directory.unlink(file.path) }
        try descriptor.unlock(byte: Layout.nameLock)
        return true
    }
}
