import LinuxSystem
import Synchronization

extension Attachment {
    /// Takes back what dead processes left in every row, at most every 100 ms.
    ///
    /// One thread at a time, and never this attachment's own row: a lock asked for through the same
    /// descriptor is granted, whoever of its users holds it.
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
    /// Takes back now what dead processes left, so that a test can check that nothing stays behind.
    package func sweep() throws(SegmentError) { try attachment.sweep() }
}
