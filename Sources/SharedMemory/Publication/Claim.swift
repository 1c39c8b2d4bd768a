import CLinux
import LinuxSystem
import Synchronization

/// A slot that this process alone may fill, until the end of its life.
struct Claim: ~Copyable {
    let slot: Int
    private let view: SegmentView

    /// Claims a slot that is free: neither current, nor claimed, nor pinned; nil when it is not.
    static func attempt(_ slot: Int, _ membership: Membership) -> Claim? {
        let view = membership.view
        PausePoint.setChosen.reached()
        guard view.header.slots[slot].claim.load(ordering: .relaxed) == 0,
            view.header.slots[slot].claim.compareExchange(
                expected: 0, desired: membership.mark, ordering: .sequentiallyConsistent
            ).exchanged
        else { return nil }
        let claim = Claim(slot: slot, view: view)
        PausePoint.setClaimed.reached()
        // First the claim, then the looks: whoever pinned the slot before is seen here, and whoever
        // pins it after sees that it is not current.
        guard view.loadCurrent().slot != slot, !view.isPinned(slot: slot) else { return nil }
        PausePoint.setChecked.reached()
        return claim
    }

    private init(slot: Int, view: SegmentView) {
        self.slot = slot
        self.view = view
    }

    deinit {
        // Releasing: the next claimant comes after all that was written here.
        view.header.slots[slot].claim.store(0, ordering: .releasing)
    }

    var reservedByteCount: Int {
        min(Int(clamping: view.header.slots[slot].reserved.load(ordering: .relaxed)), view.slotStride)
    }

    /// Says that the slot's text is about to go, to those who read it without a pin.
    func beginFilling() {
        view.header.slots[slot].stamp.store(SlotLine.beingFilled, ordering: .relaxed)
        // Pairs with the reader's fence before its second look at the stamp: had it read any byte that is written from
        // now on, it would see this stamp, or a later one.
        atomicMemoryFence(ordering: .releasing)
    }

    /// Puts memory behind the slot's first bytes: without, writing them could be a `SIGBUS`.
    ///
    /// In pieces: a signal makes the kernel begin a call again.
    ///
    /// - Returns: false when no memory is left.
    func reserve(_ byteCount: Int, in descriptor: borrowing FileDescriptor) throws(SegmentError) -> Bool {
        let needed = Layout.roundedToPage(byteCount)
        let offset = Layout.slotOffset(slot, capacity: view.capacity)
        var reserved = reservedByteCount
        while reserved < needed {
            let end = min(reserved + 1 << 20, needed)
            guard try fromSystem(descriptor.reserve(offset + reserved..<offset + end)) else { return false }
            reserved = end
            view.header.slots[slot].reserved.store(UInt64(reserved), ordering: .relaxed)
        }
        return true
    }

    /// Gives the slot's memory back, all but its first page, which readers without a pin may be reading.
    func giveMemoryBack(in descriptor: borrowing FileDescriptor) throws(SegmentError) {
        let kept = Layout.pageByteCount
        let reserved = reservedByteCount
        guard reserved > kept else { return }
        beginFilling()
        PausePoint.punchUnstamped.reached()
        // The mark first: were we killed between, it must not promise memory that is gone.
        view.header.slots[slot].reserved.store(UInt64(kept), ordering: .sequentiallyConsistent)
        PausePoint.punchMarked.reached()
        let offset = Layout.slotOffset(slot, capacity: view.capacity)
        try fromSystem(descriptor.punch(offset + kept..<offset + view.slotStride))
        PausePoint.punchDone.reached()
    }

    /// - Throws: what ``Draft/check()`` throws, if that was left for now.
    func fill(with draft: Draft) throws(SegmentError) {
        beginFilling()
        PausePoint.setStamped.reached()
        let text = unsafe draft.bytes
        let room = unsafe view.room(ofSlot: slot)
        if draft.isStreamed {
            let isPlain = unsafe clinux_stream(room.baseAddress, text.baseAddress, text.count)
            if !isPlain { try draft.check() }
        } else {
            unsafe room.copyMemory(from: text)
        }
        view.header.slots[slot].byteCount.store(UInt64(text.count), ordering: .relaxed)
        PausePoint.setFilled.reached()
    }

    /// Gives the filled slot the number and time it is about to be published with.
    func stamp(number: UInt64, publicationTime: UInt64) {
        view.header.slots[slot].publicationTime.store(publicationTime, ordering: .relaxed)
        // Releasing: pairs with the first look of a reader without a pin.
        view.header.slots[slot].stamp.store(number, ordering: .releasing)
    }
}

extension SegmentView {
    fileprivate func isPinned(slot: Int) -> Bool {
        for index in 0..<Layout.pinCount {
            let word = header.pins[index].word.load(ordering: .sequentiallyConsistent)
            if word & 0xffff_ffff == UInt64(slot + 1) { return true }
        }
        return false
    }
}
