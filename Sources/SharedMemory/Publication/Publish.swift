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
    /// - Parameter condition: evaluated again after each lost race; the text replaces the publication for which it last
    ///   returned true.
    /// - Throws: ``SegmentError/versionMismatch(current:)`` if the condition returns false, and as ``Draft/check()``.
    func publish(_ draft: Draft, if condition: SetCondition?) throws(SegmentError) -> Version {
        guard row != nil else { throw .readOnly(name: open.file.name.description) }
        let byteCount = unsafe draft.bytes.count
        // The length comes first: if the text is too long, it is not read.
        guard byteCount <= membership.view.capacity else {
            throw .tooLong(byteCount: byteCount, capacity: membership.view.capacity)
        }
        if !draft.isStreamed { try draft.check() }
        let version = try writer.withLock { _ throws(SegmentError) in
            if condition != nil { _ = try checkedInfo(condition) }
            let claim = try claimSlot(reserving: byteCount)
            try claim.fill(with: draft)
            return try makeCurrent(claim, condition)
        }
        PausePoint.setUnclaimed.reached()
        membership.wakeWaiters(published: version.number)
        return version
    }

    /// Makes a filled slot the current one; its exchange is the moment at which the text changes.
    private func makeCurrent(_ claim: borrowing Claim, _ condition: SetCondition?) throws(SegmentError) -> Version {
        let view = membership.view
        while true {
            let (current, info) = try checkedInfo(condition)
            let number = info.version.number + 1
            guard number <= PublicationWord.maximumNumber else { throw corrupted("the number is \(number - 1)") }
            let time = max(Timestamp.now, info.publicationTime)
            claim.stamp(number: number, publicationTime: time.nanosecondsSince1970)
            PausePoint.setNumbered.reached()
            let (exchanged, _) = view.header.current.word.compareExchange(
                expected: current.rawValue, desired: PublicationWord(number: number, slot: claim.slot).rawValue,
                ordering: .sequentiallyConsistent)
            guard exchanged else { continue }
            PausePoint.setPublished.reached()
            return Version(instance: membership.instance, number: number)
        }
    }

    /// The current publication, for which the condition has returned true.
    private func checkedInfo(_ condition: SetCondition?) throws(SegmentError) -> (PublicationWord, PublicationInfo) {
        let (current, info) = try currentInfo()
        if let condition, !condition(info) { throw .versionMismatch(current: info.version) }
        return (current, info)
    }

    func currentInfo() throws(SegmentError) -> (PublicationWord, PublicationInfo) {
        let view = membership.view
        var current = view.loadCurrent()
        while true {
            guard current.slot < Layout.slotCount else { throw corrupted("the current slot is \(current.slot)") }
            var time = view.header.identity.creationTime
            var byteCount: UInt64 = 0
            if current.number > 0 {
                time = view.header.slots[current.slot].publicationTime.load(ordering: .acquiring)
                byteCount = view.header.slots[current.slot].byteCount.load(ordering: .acquiring)
            }
            // If the slot is still current, no writer filled it again while it was being read.
            let latest = view.loadCurrent()
            if latest == current {
                guard byteCount <= UInt64(view.capacity) else { throw corrupted("the text has \(byteCount) bytes") }
                let info = PublicationInfo(
                    version: Version(instance: membership.instance, number: current.number),
                    publicationTime: Timestamp(nanosecondsSince1970: time), byteCount: Int(byteCount))
                return (current, info)
            }
            current = latest
        }
    }

    // MARK: Finding a slot

    /// Claims a free slot with memory behind its first `byteCount` bytes.
    private func claimSlot(reserving byteCount: Int) throws(SegmentError) -> Claim {
        if let claim = try reserved(try claimSlot(for: byteCount), byteCount) { return claim }
        return try claimSlotWithoutNewMemory(for: byteCount)
    }

    /// The claim, with memory behind it; nil if no memory is left, and then the claim has ended.
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
    private func claimSlotWithoutNewMemory(for byteCount: Int) throws(SegmentError) -> Claim {
        sweep()
        let slots = 0..<Layout.slotCount
        for slot in slots where memory(ofSlot: slot) >= byteCount {
            guard let claim = Claim.attempt(slot, membership) else { continue }
            if claim.reservedByteCount >= byteCount { return claim }
        }
        for slot in slots where memory(ofSlot: slot) > Layout.pageByteCount {
            if let claim = Claim.attempt(slot, membership) { try claim.giveMemoryBack(in: open.descriptor) }
        }
        // A slot that has its first page is better than one that has no memory.
        for slot in slots.filter({ memory(ofSlot: $0) > 0 }) + Array(slots) {
            guard let claim = Claim.attempt(slot, membership) else { continue }
            if let claim = try reserved(claim, byteCount) { return claim }
            throw .noSpace(path: open.file.path, byteCount: byteCount)
        }
        throw .busy(doing: "setting '\(open.file.name)'")
    }

    private func memory(ofSlot slot: Int) -> UInt64 {
        membership.view.header.slots[slot].reserved.load(ordering: .relaxed)
    }

    private func claimSlot(for byteCount: Int) throws(SegmentError) -> Claim {
        for pass in 0..<1000 {
            // Only the pins and claims of dead processes can be in the way more than once.
            if pass > 0 { sweep() }
            let ring = Self.ringCount(for: byteCount)
            let start = membership.view.loadCurrent().slot
            for offset in 1...ring {
                if let claim = Claim.attempt((start + offset) % ring, membership) { return claim }
            }
            for slot in ring..<Layout.slotCount {
                if let claim = Claim.attempt(slot, membership) { return claim }
            }
        }
        throw .busy(doing: "setting '\(open.file.name)'")
    }

    /// The number of slots that are used in turn: few, as each has memory behind it, but more than two, or a reader
    /// without a pin could be overtaken again and again.
    private static func ringCount(for byteCount: Int) -> Int { min(max((1 << 20) / max(byteCount, 1), 3), 8) }
}
