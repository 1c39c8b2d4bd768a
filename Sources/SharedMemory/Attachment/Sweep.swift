import LinuxSystem
import Synchronization

extension Attachment {
    /// Clears the pins and claims of dead processes, at most every 100 ms.
    ///
    /// It is for one thread at a time, and never tries this attachment's own row: the kernel grants a lock that is held
    /// through the same descriptor, whichever thread holds it.
    func sweep() {
        lastSweepMilliseconds.withLockIfAvailable { last in
            let now = Clock.coarseMilliseconds
            guard now - last >= 100 else { return }
            last = now
            for row in 0..<Layout.rowCount where row != self.row {
                let lock = Layout.rowLock(row)
                guard (try? open.descriptor.tryLockExclusive(byte: lock)) == true else { continue }
                membership.view.reclaim(row: row)
                try? open.descriptor.unlock(byte: lock)
            }
        }
    }
}

extension Segment {
    /// Clears the pins and claims of dead processes, so that a test can check that none stay behind.
    package func sweep() throws(SegmentError) { try attachment.sweep() }
}
