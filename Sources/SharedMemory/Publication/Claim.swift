import CLinux
import LinuxSystem
import Synchronization

/// A slot that only this process may fill while the claim lives.
struct Claim: ~Copyable {
    let slot: Int
    private let view: SegmentView

    /// Claims a slot if it is free; nil if it is current, claimed or pinned.
    @inline(__always)
    static func attempt(_ slot: Int, of view: SegmentView, by mark: UInt64) -> Claim? {
        PausePoint.setChosen.reached()
        guard view.slots[slot].claim.load(ordering: .relaxed) == 0,
            view.slots[slot].claim.compareExchange(
                expected: 0, desired: mark, ordering: .sequentiallyConsistent
            ).exchanged
        else { return nil }
        let claim = Claim(slot: slot, view: view)
        PausePoint.setClaimed.reached()
        // The claim comes first: a reader that pinned the slot before it is seen here, and a reader that pins the slot
        // after it sees that the slot is not current. The same is true of a reader that raises the pins' mark first: if its
        // mark is not seen here, it looks at the current word later than this.
        guard view.loadCurrent().slot != slot, !view.isPinned(slot: slot) else { return nil }
        PausePoint.setChecked.reached()
        return claim
    }

    deinit {
        // Releasing: the next claim comes after all that was written here.
        view.slots[slot].claim.store(0, ordering: .releasing)
    }

    @inline(__always)
    var reservedByteCount: Int {
        min(Int(clamping: view.slots[slot].reserved.load(ordering: .relaxed)), view.geometry.stride)
    }

    /// Tells readers without a pin that the slot's text is about to go.
    @inline(__always)
    func beginFilling() {
        view.slots[slot].stamp.store(SlotLine.beingFilled, ordering: .relaxed)
        // Pairs with the fence before a reader's second look at the stamp: if the reader has read any byte that is written
        // from now on, it sees this stamp or a later one. Also pairs with the loads in `currentInfo`: if another writer has
        // read a time or a byte count that is written from now on, it sees that the slot is no longer current.
        atomicMemoryFence(ordering: .releasing)
    }

    /// Puts memory behind the slot's first bytes, without which writing them could raise `SIGBUS`.
    ///
    /// It does so in pieces, as a signal makes the kernel begin a call again.
    ///
    /// - Returns: false if no memory is left.
    @inline(__always)
    func reserve(_ byteCount: Int, in descriptor: borrowing FileDescriptor) throws(SegmentError) -> Bool {
        reservedByteCount >= byteCount ? true : try reserveMore(byteCount, in: descriptor)
    }

    @inline(never)
    private func reserveMore(_ byteCount: Int, in descriptor: borrowing FileDescriptor) throws(SegmentError) -> Bool {
        let needed = Layout.roundedToPage(byteCount)
        let offset = view.geometry.slotOffset(slot)
        var reserved = reservedByteCount
        while reserved < needed {
            let end = min(reserved + 1 << 20, needed)
            guard try fromSystem(descriptor.reserve(offset + reserved..<offset + end)) else { return false }
            reserved = end
            view.slots[slot].reserved.store(UInt64(reserved), ordering: .relaxed)
        }
        return true
    }

    /// Gives back the memory behind the slot's first `byteCount` bytes, but never its first page, which readers without a
    /// pin may be reading.
    func giveMemoryBack(
        beyond byteCount: Int = 0, in descriptor: borrowing FileDescriptor
    ) throws(SegmentError) {
        let kept = max(Layout.roundedToPage(byteCount), Layout.pageByteCount)
        let reserved = reservedByteCount
        guard reserved > kept else { return }
        beginFilling()
        PausePoint.punchUnstamped.reached()
        // The mark comes first: if this process is killed in between, it must not promise memory that is gone.
        view.slots[slot].reserved.store(UInt64(kept), ordering: .sequentiallyConsistent)
        PausePoint.punchMarked.reached()
        let offset = view.geometry.slotOffset(slot)
        try fromSystem(descriptor.punch(offset + kept..<offset + view.geometry.stride))
        PausePoint.punchDone.reached()
    }

    /// Copies the text into the slot, and checks it if that is left to the copying.
    ///
    /// - Throws: as ``Draft/check()``.
    @inline(__always)
    func fill(with draft: Draft, setter: ProcessDescription) throws(SegmentError) {
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
        view.slots[slot].byteCount.store(UInt64(text.count), ordering: .relaxed)
        view.slots[slot].setter.store(setter)
        PausePoint.setFilled.reached()
    }

    /// Gives a filled slot the number and the time with which it is about to be published.
    func stamp(number: UInt64, publicationTime: UInt64) {
        view.slots[slot].publicationTime.store(publicationTime, ordering: .relaxed)
        // Releasing: pairs with the first look at the stamp by a reader without a pin.
        view.slots[slot].stamp.store(number, ordering: .releasing)
    }
}

extension SegmentView {
    @inline(__always)
    fileprivate func isPinned(slot: Int) -> Bool {
        // Walked by addresses: every set looks at all pins below the mark.
        let pins = unsafe pins.prefix(mark(of: .pins))
        var pin = unsafe pins.start
        while unsafe pin < pins.end {
            let word = unsafe pin.pointee.word.load(ordering: .sequentiallyConsistent)
            if word & 0xffff_ffff == UInt64(slot + 1) { return true }
            unsafe pin += 1
        }
        return false
    }
}
