import LinuxSystem
import Synchronization

/// The attachment table: a row belongs to the process that holds a lock on the row's first byte.
///
/// An attachment takes a row when it first borrows or sets, and keeps it. When living processes hold all rows but the
/// reserved ones, other processes read copies, and take a reserved row for each set.
extension OpenFile {
    /// Takes a row that no living process holds; nil if living processes hold all rows, or all but the reserved ones, as far
    /// as it looked.
    ///
    /// A refused lock takes about 10 ns for each other lock on the file, and other processes wait for it. So it tries the rows
    /// that name no process, and only a few of those that name one, which may be dead. Only the lock decides. Whatever a dead
    /// process left in the row's name is cleared.
    ///
    /// - Parameters:
    ///   - borrowed: the row that this process has for one set; its lock would be granted again.
    ///   - hand: where among the rows that name a process to go on.
    func takeRow(
        _ view: SegmentView, mayTakeReserved: Bool, besides borrowed: Int?, from hand: inout Int
    ) throws(SegmentError) -> Int? {
        let limit = view.geometry.rowCount - (mayTakeReserved ? 0 : view.geometry.reservedRowCount)
        var hasTriedOthers = false
        while true {
            let mark = view.mark(of: .rows)
            let end = min(mark, limit)
            // Where few processes are, a dead one's row is the first to be found.
            for row in 0..<end where row < Table.step || view.rows[row].owner.process.load(ordering: .relaxed) == 0 {
                if row != borrowed, try take(row, view) { return row }
            }
            if !hasTriedOthers {
                hasTriedOthers = true
                for _ in 0..<min(Self.triesOfOthers, end) {
                    hand = (hand + 1) % end
                    if hand != borrowed, try take(hand, view) { return hand }
                }
            }
            guard mark < limit, try grow(.rows, of: view, beyond: mark) else { return nil }
        }
    }

    /// How many rows that name a process are tried at a time.
    private static let triesOfOthers = 8

    fileprivate func take(_ row: Int, _ view: SegmentView) throws(SegmentError) -> Bool {
        guard try fromSystem(descriptor.tryLockExclusive(byte: geometry.rowLock(row))) else { return false }
        view.reclaim(row: row)
        view.rows[row].owner.store(.current)
        view.rows[row].attachmentTime.store(Clock.realtimeNanoseconds, ordering: .relaxed)
        return true
    }

    /// Makes the row one that has ever been in use; false if no memory is left.
    fileprivate func growRows(to row: Int, of view: SegmentView) throws(SegmentError) -> Bool {
        var mark = view.mark(of: .rows)
        while mark <= row {
            guard try grow(.rows, of: view, beyond: mark) else { return false }
            mark = view.mark(of: .rows)
        }
        return true
    }

    /// Gives up a row in whose name there is neither a pin nor a claim.
    func release(_ row: Int, _ view: SegmentView) {
        view.clear(row: row)
        try? descriptor.unlock(byte: geometry.rowLock(row))
        if row >= geometry.rowCount - geometry.reservedRowCount { view.wakeOneSleeper(onRow: row) }
    }

    /// Puts memory behind the next lines of a table, and then raises its mark, unless another process has done so.
    ///
    /// - Parameter mark: the mark up to which there was no free line.
    /// - Returns: false if the table has reached its size, or no memory is left.
    func grow(_ table: Table, of view: SegmentView, beyond mark: Int) throws(SegmentError) -> Bool {
        // If other processes have raised the mark meanwhile, their lines may be free, even if they were the last ones.
        guard view.mark(of: table) == mark else { return true }
        let next = min(mark + Table.step, geometry.count(of: table))
        guard mark < next, try fromSystem(descriptor.reserve(geometry.lines(mark..<next, of: table))) else {
            return false
        }
        PausePoint.tableReserved.reached()
        view.raiseMark(of: table, to: next)
        PausePoint.tableGrown.reached()
        return true
    }
}

extension SegmentView {
    private func ownerWord(ofRow row: Int) -> UnsafePointer<AtomicWord> {
        // A row begins with the word that names its process.
        unsafe UnsafeRawPointer(rows.address(of: row)).assumingMemoryBound(to: AtomicWord.self)
    }

    /// Sleeps while a row names this process, but no longer than `nanoseconds`.
    fileprivate func sleep(whileRow row: Int, names owner: UInt64, nanoseconds: Int) throws(SegmentError) {
        let low = UInt32(truncatingIfNeeded: owner)
        _ = try fromSystem(unsafe Futex.sleep(on: ownerWord(ofRow: row), while: low, nanoseconds: nanoseconds))
    }

    fileprivate func wakeOneSleeper(onRow row: Int) { unsafe Futex.wakeOne(on: ownerWord(ofRow: row)) }

    /// The number by which pins and claims name a row's owner.
    static func mark(ofRow row: Int) -> UInt64 { UInt64(row) + 1 }

    /// Clears the pins and claims of a row's dead owner; the caller holds the row's lock.
    ///
    /// Whatever the owner wrote comes before: the kernel lets go of a lock only when it has taken the memory from all
    /// threads of the process, and it orders the one after the other.
    func reclaim(row: Int) {
        let owner = Self.mark(ofRow: row)
        for index in 0..<mark(of: .pins) {
            let word = pins[index].word.load(ordering: .relaxed)
            guard word >> 32 == owner else { continue }
            // Releasing: the next owner of the pin or the slot comes after all that was done with it.
            _ = pins[index].word.compareExchange(expected: word, desired: 0, ordering: .releasing)
        }
        for slot in 0..<mark(of: .slots) where slots[slot].claim.load(ordering: .relaxed) == owner {
            _ = slots[slot].claim.compareExchange(expected: owner, desired: 0, ordering: .releasing)
        }
        clear(row: row)
    }

    fileprivate func clear(row: Int) {
        rows[row].owner.store(.none)
        rows[row].attachmentTime.store(0, ordering: .relaxed)
    }
}

extension Attachment {
    /// The rows that are locked through this attachment's descriptor, and when to look for others again.
    ///
    /// The kernel grants a lock that is held through the same descriptor, whichever thread holds it. So the one thread that
    /// tries locks knows the rows that are not to be tried.
    struct RowState {
        /// The row that the attachment keeps.
        var kept: Int?
        /// The row of the one thread that sets, if none is kept.
        var borrowed: Int?
        /// Coarse milliseconds, as `lastSweep`.
        var nextTry = 0
        /// How long to wait after the next try that fails, in milliseconds.
        var pauseBetweenTries = 100
        var lastSweep = 0
        /// The last row that named a process and was tried; processes begin at different ones.
        var hand = Int.random(in: 0..<Geometry.possibleRowCounts.upperBound)
        /// The reserved row that was tried last.
        var reservedHand = Int.random(in: 0..<Geometry.possibleRowCounts.upperBound)
        /// The pin whose owner was looked at last.
        var pinHand = Int.random(in: 0..<Geometry.possiblePinCounts.upperBound)

        mutating func nextReservedRow(of geometry: Geometry) -> Int {
            reservedHand = (reservedHand + 1) % geometry.reservedRowCount
            return geometry.rowCount - 1 - reservedHand
        }
    }

    /// The mark of this attachment's row; 0 if it has taken none yet.
    @inline(__always)
    var knownMark: UInt64 {
        // Acquiring: pairs with the store by the thread that took the row.
        keptMark.load(ordering: .acquiring)
    }

    /// The mark of this attachment's row, which it takes if it has none yet; 0 if none is to be had.
    @inline(__always)
    var mark: UInt64 {
        let mark = knownMark
        return mark != 0 ? mark : takeRow()
    }

    /// Takes a row, and returns its mark, or 0; a process that may not write takes none.
    ///
    /// If all are taken, it looks again after 100 ms, and then less and less often: a thousand processes without a row may be
    /// doing so.
    @inline(never)
    private func takeRow() -> UInt64 {
        guard membership.isWritable else { return 0 }
        return preservingErrno { takeRowNow() }
    }

    private func takeRowNow() -> UInt64 {
        rowState.withLock { state in
            let now = Clock.coarseMilliseconds
            if state.kept == nil, now >= state.nextTry {
                state.nextTry = now + state.pauseBetweenTries
                state.pauseBetweenTries = min(2 * state.pauseBetweenTries, 5000)
                state.kept = try? open.takeRow(
                    membership.view, mayTakeReserved: mayKeepReservedRow, besides: state.borrowed, from: &state.hand)
                PausePoint.rowTaken.reached()
            }
            guard let row = state.kept else { return 0 }
            keptMark.store(SegmentView.mark(ofRow: row), ordering: .releasing)
            return SegmentView.mark(ofRow: row)
        }
    }

    /// The mark of a row for one set: the row that is kept, or a reserved one.
    ///
    /// Only the one thread that sets calls this, and then ``endSet(_:)``.
    ///
    /// - Throws: ``SegmentError/busy(doing:)`` if other processes held all rows for ten seconds.
    @inline(__always)
    func beginSet() throws(SegmentError) -> UInt64 {
        let mark = mark
        return mark != 0 ? mark : try takeReservedRow()
    }

    /// Gives back the row for one set, unless it is the one that is kept.
    @inline(__always)
    func endSet(_ mark: UInt64) {
        if mark != keptMark.load(ordering: .relaxed) { giveBackReservedRow() }
    }

    @inline(never)
    private func takeReservedRow() throws(SegmentError) -> UInt64 {
        let view = membership.view
        let deadline = Clock.coarseMilliseconds + 10_000
        repeat {
            let row = rowState.withLock { $0.nextReservedRow(of: view.geometry) }
            let isThere = try open.growRows(to: row, of: view)
            guard isThere else { throw .noSpace(path: open.file.path, byteCount: Layout.pageByteCount) }
            let owner = view.rows[row].owner.process.load(ordering: .relaxed)
            // Its owner gives it up soon, unless it was killed or stopped. Trying locks over and over instead would keep
            // the processors busy when hundreds of processes do so.
            if owner != 0 { try view.sleep(whileRow: row, names: owner, nanoseconds: 20_000_000) }
            let isTaken = try rowState.withLock { state throws(SegmentError) in
                guard try open.take(row, view) else { return false }
                state.borrowed = row
                return true
            }
            if isTaken { return SegmentView.mark(ofRow: row) }
            if owner == 0 { BackgroundThread.pause() }
        } while Clock.coarseMilliseconds < deadline
        throw .busy(doing: "setting '\(open.file.name)'")
    }

    @inline(never)
    private func giveBackReservedRow() {
        rowState.withLock { state in
            if let row = state.borrowed.take() { open.release(row, membership.view) }
        }
    }

    /// Clears the pins and claims of a few dead processes that hold pins, at most every 100 ms.
    ///
    /// A reader that finds no pin calls this. It looks at few pins, because it can also copy, and a thousand processes may be
    /// looking for a pin.
    func sweepPins() {
        rowState.withLockIfAvailable { state in
            let now = Clock.coarseMilliseconds
            guard state.kept != nil, now - state.lastSweep >= 100 else { return }
            state.lastSweep = now
            let view = membership.view
            let count = view.mark(of: .pins)
            var refusals = 0
            for _ in 0..<count where refusals < 8 {
                state.pinHand = (state.pinHand + 1) % count
                let owner = view.pins[state.pinHand].word.load(ordering: .relaxed) >> 32
                guard owner > 0, owner <= UInt64(view.geometry.rowCount) else { continue }
                let row = Int(owner) - 1
                if row != state.kept, row != state.borrowed, !sweep(row: row) { refusals += 1 }
            }
        }
    }

    /// Clears what a row's dead owner left; false if it lives.
    @discardableResult
    private func sweep(row: Int) -> Bool {
        let lock = membership.view.geometry.rowLock(row)
        guard (try? open.descriptor.tryLockExclusive(byte: lock)) == true else { return false }
        membership.view.reclaim(row: row)
        try? open.descriptor.unlock(byte: lock)
        return true
    }

    /// Clears the pins and claims of dead processes, at most every 100 ms; without effect while another thread does.
    func sweep() {
        rowState.withLockIfAvailable { state in
            let now = Clock.coarseMilliseconds
            guard now - state.lastSweep >= 100 else { return }
            state.lastSweep = now
            for row in 0..<membership.view.mark(of: .rows) where row != state.kept && row != state.borrowed {
                sweep(row: row)
            }
        }
    }
}

extension Segment {
    /// Takes a row, as the first borrow or set would, so that a test finds the process in the table.
    package func takeRow() throws(SegmentError) { _ = try attachment.mark }

    /// Clears the pins and claims of dead processes, so that a test can check that none stay behind.
    package func sweep() throws(SegmentError) { try attachment.sweep() }
}
