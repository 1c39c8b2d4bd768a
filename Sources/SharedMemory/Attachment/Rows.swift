import LinuxSystem
import Synchronization

/// The attachment table: a row belongs to the process that holds a lock on the row's first byte.
extension OpenFile {
    /// Takes the first row that no living process holds.
    func takeRow() throws(SegmentError) -> Int {
        // A sweep holds a dead process's lock for a moment: then a second look finds the row free.
        for look in 0..<3 {
            if look > 0 { BackgroundThread.pause() }
            for row in 0..<Layout.rowCount {
                if try fromSystem(descriptor.tryLockExclusive(byte: Layout.rowLock(row))) { return row }
            }
        }
        throw .tooManyAttached(name: file.name.description, limit: Layout.rowCount)
    }
}

extension SegmentView {
    /// The number by which pins and claims name a row's owner.
    static func mark(ofRow row: Int) -> UInt64 { UInt64(row) + 1 }

    /// Clears the pins and claims of a row's dead owner; the caller holds the row's lock.
    func reclaim(row: Int) {
        let mark = Self.mark(ofRow: row)
        for index in 0..<Layout.pinCount {
            let word = header.pins[index].word.load(ordering: .relaxed)
            guard word >> 32 == mark else { continue }
            // Releasing: the next owner of the pin or the slot comes after all that was done with it.
            _ = header.pins[index].word.compareExchange(expected: word, desired: 0, ordering: .releasing)
        }
        for slot in 0..<Layout.slotCount {
            _ = header.slots[slot].claim.compareExchange(expected: mark, desired: 0, ordering: .releasing)
        }
        clear(row: row)
    }

    /// Describes the attached process, for people.
    func describe(row: Int) {
        header.rows[row].processID.store(UInt64(Host.processID), ordering: .relaxed)
        header.rows[row].attachmentTime.store(Clock.realtimeNanoseconds, ordering: .relaxed)
        let name = Array(Host.programName.utf8)
        for index in header.rows[row].program.indices {
            let word = name.dropFirst(8 * index).prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            header.rows[row].program[index].word.store(word, ordering: .relaxed)
        }
    }

    func clear(row: Int) {
        header.rows[row].processID.store(0, ordering: .relaxed)
        header.rows[row].attachmentTime.store(0, ordering: .relaxed)
        for index in header.rows[row].program.indices {
            header.rows[row].program[index].word.store(0, ordering: .relaxed)
        }
    }

    func program(ofRow row: Int) -> String {
        var bytes: [UInt8] = []
        for index in header.rows[row].program.indices {
            let word = header.rows[row].program[index].word.load(ordering: .relaxed)
            for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * byte))) }
        }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

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
