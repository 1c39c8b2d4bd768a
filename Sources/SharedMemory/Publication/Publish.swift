import LinuxSystem
import Synchronization

/// Describes the current text to a condition, before another text replaces it.
package struct PublicationInfo: Sendable {
    package let version: Version
    package let publicationTime: Timestamp
    package let byteCount: Int
}

/// Whether the text may replace this publication.
package typealias SetCondition = (PublicationInfo) -> Bool

extension Attachment {
    /// Makes a draft the segment's text and returns its version.
    ///
    /// This is lock-free across processes: a writer that is stopped in the middle of it delays no other process. In one
    /// process, threads that set take turns.
    ///
    /// - Parameters:
    ///   - condition: evaluated again after each lost race; the text replaces the publication for which it last returned true.
    ///   - isReplica: whether a server sets text that it replicates, which it may do in a marked segment.
    /// - Throws: ``SegmentError/versionMismatch(current:)`` if the condition returns false, and as ``Draft/check()``.
    func publish(
        _ draft: Draft, if condition: SetCondition?, isReplica: Bool = false
    ) throws(SegmentError) -> Version {
        let geometry = membership.view.geometry
        guard membership.isWritable else {
            throw reasonForReadingOnly ?? .readOnly(name: open.file.name.description)
        }
        // It is looked at again later; a long text need not be copied first.
        guard isReplica || !isReplicated else { throw replicated }
        let byteCount = unsafe draft.bytes.count
        // The length comes first: if the text is too long, it is not read.
        guard byteCount <= geometry.capacity else { throw .tooLong(byteCount: byteCount, capacity: geometry.capacity) }
        if !draft.isStreamed { try draft.check() }
        let version = try writer.withLock { writer throws(SegmentError) in
            try writer.checkName(of: open)
            if condition != nil { _ = try checkedInfo(condition) }
            let mark = try beginSet()
            defer { endSet(mark) }
            let recent = membership.view.recentByteCount(with: byteCount)
            let version = try makeCurrent(try filledSlot(draft, mark, recent), condition, isReplica)
            membership.view.current.recentByteCount.store(UInt64(recent), ordering: .relaxed)
            writer.returnMemory(of: self, mark, recent)
            return version
        }
        PausePoint.setUnclaimed.reached()
        membership.wakeWaiters(published: version.number)
        return version
    }

    @inline(__always)
    private func filledSlot(_ draft: Draft, _ mark: UInt64, _ recent: Int) throws(SegmentError) -> Claim {
        let claim = try claimSlot(reserving: unsafe draft.bytes.count, mark)
        // Most slots never have more than one page. Not giving memory back does no harm: a later set tries again.
        if claim.reservedByteCount > Layout.pageByteCount,
            claim.reservedByteCount > membership.view.memoryLimit(ofSlot: claim.slot, recent: recent)
        {
            try? claim.giveMemoryBack(beyond: recent, in: open.descriptor)
        }
        try claim.fill(with: draft, setter: setter)
        return claim
    }

    /// Makes a filled slot the current one, and ends the claim; the exchange is the moment at which the text changes.
    @inline(__always)
    private func makeCurrent(
        _ claim: consuming Claim, _ condition: SetCondition?, _ isReplica: Bool
    ) throws(SegmentError) -> Version {
        let view = membership.view
        while true {
            let (current, info) = try checkedInfo(condition)
            // After the current word: if that is replicated text, the mark is seen, and if replicated text comes later, the
            // exchange fails.
            guard isReplica || !isReplicated else { throw replicated }
            let number = info.version.number + 1
            guard number <= PublicationWord.maximumNumber else { throw corrupted("the number is \(number - 1)") }
            let time = max(Timestamp.now, info.publicationTime)
            claim.stamp(number: number, publicationTime: time.nanosecondsSince1970)
            PausePoint.setNumbered.reached()
            let (exchanged, _) = view.current.word.compareExchange(
                expected: current.rawValue, desired: PublicationWord(number: number, slot: claim.slot).rawValue,
                ordering: .sequentiallyConsistent)
            guard exchanged else { continue }
            PausePoint.setPublished.reached()
            return Version(instance: membership.instance, number: number)
        }
    }

    /// The current publication, for which the condition has returned true.
    @inline(__always)
    private func checkedInfo(_ condition: SetCondition?) throws(SegmentError) -> (PublicationWord, PublicationInfo) {
        let (current, info) = try currentInfo()
        if let condition, !condition(info) { throw .versionMismatch(current: info.version) }
        return (current, info)
    }

    @inline(__always)
    func currentInfo() throws(SegmentError) -> (PublicationWord, PublicationInfo) {
        try membership.currentInfo(open.file.path)
    }

    // MARK: Finding a slot

    /// Claims a free slot with memory behind its first `byteCount` bytes.
    @inline(__always)
    private func claimSlot(reserving byteCount: Int, _ mark: UInt64) throws(SegmentError) -> Claim {
        if let claim = try reserved(try claimSlot(for: byteCount, mark), byteCount) { return claim }
        return try claimSlotWithoutNewMemory(for: byteCount, mark)
    }

    /// The claim, with memory behind it; nil if no memory is left, and then the claim has ended.
    @inline(__always)
    private func reserved(_ claim: consuming Claim, _ byteCount: Int) throws(SegmentError) -> Claim? {
        if try claim.reserve(byteCount, in: open.descriptor) {
            PausePoint.setReserved.reached()
            return claim
        }
        // Leaves to other writers the little memory that it got.
        try claim.giveMemoryBack(in: open.descriptor)
        return nil
    }

    /// Makes do with the memory of free slots, because the tmpfs is full.
    @inline(never)
    private func claimSlotWithoutNewMemory(for byteCount: Int, _ mark: UInt64) throws(SegmentError) -> Claim {
        sweep()
        let view = membership.view
        let slots = 0..<view.mark(of: .slots)
        for slot in slots where view.memory(ofSlot: slot) >= byteCount {
            guard let claim = Claim.attempt(slot, of: view, by: mark) else { continue }
            if claim.reservedByteCount >= byteCount { return claim }
        }
        for slot in slots where view.memory(ofSlot: slot) > Layout.pageByteCount {
            if let claim = Claim.attempt(slot, of: view, by: mark) { try claim.giveMemoryBack(in: open.descriptor) }
        }
        // A slot that has its first page is better than one that has no memory.
        for slot in slots.filter({ view.memory(ofSlot: $0) > 0 }) + Array(slots) {
            guard let claim = Claim.attempt(slot, of: view, by: mark) else { continue }
            if let claim = try reserved(claim, byteCount) { return claim }
            throw .noSpace(path: open.file.path, byteCount: byteCount)
        }
        throw .busy(doing: "setting '\(open.file.name)'")
    }

    @inline(__always)
    private func claimSlot(for byteCount: Int, _ mark: UInt64) throws(SegmentError) -> Claim {
        let view = membership.view
        // The one after the current slot was the current one longest ago, and is most likely free.
        let next = (view.loadCurrent().slot + 1) % view.ringCount(for: byteCount)
        if let claim = Claim.attempt(next, of: view, by: mark) { return claim }
        return try claimAnotherSlot(for: byteCount, mark)
    }

    @inline(never)
    private func claimAnotherSlot(for byteCount: Int, _ mark: UInt64) throws(SegmentError) -> Claim {
        let view = membership.view
        for pass in 0..<1000 {
            // Only the pins and claims of dead processes can be in the way more than once.
            if pass > 0 { sweep() }
            let ring = view.ringCount(for: byteCount)
            let start = view.loadCurrent().slot
            // Each attempt looks at all pins. If a thousand readers have pinned as many slots, only slots without a pin are
            // worth one.
            let pinned = view.pinnedSlots()
            for offset in 1...ring where !pinned[(start + offset) % ring] {
                if let claim = Claim.attempt((start + offset) % ring, of: view, by: mark) { return claim }
            }
            for slot in ring..<view.geometry.slotCount {
                if slot == view.mark(of: .slots), try !open.grow(.slots, of: view, beyond: slot) {
                    throw .noSpace(path: open.file.path, byteCount: byteCount)
                }
                if slot >= pinned.count || !pinned[slot], let claim = Claim.attempt(slot, of: view, by: mark) {
                    return claim
                }
            }
        }
        throw .busy(doing: "setting '\(open.file.name)'")
    }
}

extension SegmentView {
    /// The number of slots that are used in turn: few, as each has memory behind it, but more than two, or a reader
    /// without a pin could be overtaken again and again.
    fileprivate func ringCount(for byteCount: Int) -> Int {
        min(max((1 << 20) / max(byteCount, 1), 3), Table.step, geometry.slotCount)
    }

    /// Whether each of the slots that have ever been in use is pinned, as far as one look at all pins can tell.
    fileprivate func pinnedSlots() -> [Bool] {
        // At least as many as are used in turn, whatever the mark is.
        var pinned = [Bool](repeating: false, count: max(mark(of: .slots), Table.step))
        for index in 0..<mark(of: .pins) {
            let slot = Int(pins[index].word.load(ordering: .relaxed) & 0xffff_ffff) - 1
            if pinned.indices.contains(slot) { pinned[slot] = true }
        }
        return pinned
    }

    /// How many bytes of a slot have memory.
    fileprivate func memory(ofSlot slot: Int) -> UInt64 { slots[slot].reserved.load(ordering: .relaxed) }

    /// About the longest of the recent texts and one of `byteCount` bytes: with each set, half of it is forgotten.
    fileprivate func recentByteCount(with byteCount: Int) -> Int {
        let forgotten = current.recentByteCount.load(ordering: .relaxed) / 2
        return min(max(byteCount, Int(clamping: forgotten)), geometry.capacity)
    }

    /// How many bytes of memory a slot may keep while the longest of the recent texts has `recent` bytes.
    ///
    /// The slots that are used in turn may keep twice as much as they need, because taking memory costs time.
    fileprivate func memoryLimit(ofSlot slot: Int, recent: Int) -> Int {
        let small = (1 << 20) / Table.step
        if slot < ringCount(for: recent) { return max(2 * recent, small) }
        return slot < Table.step ? small : Layout.pageByteCount
    }
}

extension Attachment {
    /// What the one thread that sets keeps from one set to the next.
    struct Writer {
        /// The second in which the name was looked at last.
        private var nameCheckTime = Int64.min

        /// Checks that the name still leads to the file, at most once a second.
        ///
        /// It also refreshes the file's times, by which programs that clean directories know what is in use.
        @inline(__always)
        mutating func checkName(of open: OpenFile) throws(SegmentError) {
            let now = Clock.realtimeSeconds
            if now != nameCheckTime { try checkName(of: open, at: now) }
        }

        @inline(never)
        private mutating func checkName(of open: OpenFile, at now: Int64) throws(SegmentError) {
            guard try !open.hasLostName() else { throw .unlinked(name: open.file.name.description) }
            // Failing at this does no harm.
            try? open.descriptor.refreshTimes()
            nameCheckTime = now
            // Another process may have left memory behind.
            slotsToLookAt = .max
        }

        /// The slot whose memory was looked at last.
        private var hand = 0
        /// How many slots are still to be looked at, if all texts are short from now on.
        private var slotsToLookAt = 0
        /// When to give back little memory next; coarse milliseconds.
        private var nextSmallReturn = 0

        /// Gives back memory that only an earlier, longer text needed, unless all slots have been looked at since.
        @inline(__always)
        mutating func returnMemory(of attachment: Attachment, _ mark: UInt64, _ recent: Int) {
            if recent > Layout.pageByteCount || slotsToLookAt > 0 { returnMemoryNow(of: attachment, mark, recent) }
        }

        /// Looks at two slots.
        ///
        /// The kernel takes memory away from each process that has mapped it, which takes milliseconds if thousands have. So
        /// little memory is given back ten times a second at most.
        @inline(never)
        private mutating func returnMemoryNow(of attachment: Attachment, _ mark: UInt64, _ recent: Int) {
            let view = attachment.membership.view
            let count = view.mark(of: .slots)
            slotsToLookAt = recent > Layout.pageByteCount ? count : min(slotsToLookAt, count)
            for _ in 0..<2 {
                hand = hand + 1 < count ? hand + 1 : 0
                slotsToLookAt -= 1
                let memory = view.memory(ofSlot: hand)
                guard memory > Layout.pageByteCount else { continue }
                let limit = view.memoryLimit(ofSlot: hand, recent: recent)
                guard memory > limit else { continue }
                // Even if it cannot be given back now.
                slotsToLookAt = count
                if memory < 1 << 20 {
                    let now = Clock.coarseMilliseconds
                    guard now >= nextSmallReturn else { continue }
                    nextSmallReturn = now + 100
                }
                guard let claim = Claim.attempt(hand, of: view, by: mark) else { continue }
                // As above.
                try? claim.giveMemoryBack(beyond: min(limit, recent), in: attachment.open.descriptor)
            }
        }
    }
}

extension Membership {
    /// The current publication.
    ///
    /// - Parameter path: for an error.
    @inline(__always)
    func currentInfo(_ path: @autoclosure () -> String) throws(SegmentError) -> (PublicationWord, PublicationInfo) {
        var current = view.loadCurrent()
        while true {
            guard current.slot < view.geometry.slotCount else {
                throw .corrupted(path: path(), reason: "the current slot is \(current.slot)")
            }
            var time = view.identity.creationTime
            var byteCount: UInt64 = 0
            if current.number > 0 {
                time = view.slots[current.slot].publicationTime.load(ordering: .acquiring)
                byteCount = view.slots[current.slot].byteCount.load(ordering: .acquiring)
            }
            // If the slot is still current, no writer filled it again while it was being read.
            let latest = view.loadCurrent()
            if latest == current {
                guard byteCount <= UInt64(view.geometry.capacity) else {
                    throw .corrupted(path: path(), reason: "the text has \(byteCount) bytes")
                }
                let info = PublicationInfo(
                    version: Version(instance: instance, number: current.number),
                    publicationTime: Timestamp(nanosecondsSince1970: time), byteCount: Int(byteCount))
                return (current, info)
            }
            current = latest
        }
    }
}
