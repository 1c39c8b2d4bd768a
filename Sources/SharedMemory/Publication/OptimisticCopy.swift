import LinuxSystem
import Synchronization

extension Attachment {
    /// Copies the current text without a pin, and retries if a writer overwrote it meanwhile.
    ///
    /// - Throws: ``SegmentError/busy(doing:)`` if writers overtook it a thousand times.
    func copyCurrent() throws(SegmentError) -> Borrow {
        let view = membership.view
        let first = view.loadCurrent()
        var isOvertaken = false
        for _ in 0..<1000 {
            let current = view.loadCurrent()
            guard current.slot < view.geometry.slotCount else { throw corrupted("the current slot is \(current.slot)") }
            if current != first { isOvertaken = true }
            if let copy = try copy(current) { return copy }
        }
        // The current text keeps its stamp while it is current: a reader that was not overtaken can copy it.
        guard isOvertaken else { throw corrupted("the current text has another's stamp") }
        throw .busy(doing: "reading '\(open.file.name)'")
    }

    /// Returns nil if the slot no longer holds the publication.
    private func copy(_ current: PublicationWord) throws(SegmentError) -> Borrow? {
        let view = membership.view
        let slot = current.slot
        if current.number == 0 { return .empty }
        PausePoint.copyLoaded.reached()
        // Acquiring: pairs with the stamping of the filled slot.
        guard view.slots[slot].stamp.load(ordering: .acquiring) == current.number else { return nil }
        let byteCount = view.slots[slot].byteCount.load(ordering: .relaxed)
        let publicationTime = view.slots[slot].publicationTime.load(ordering: .relaxed)
        PausePoint.copyStamped.reached()
        let isPossible = byteCount <= UInt64(view.geometry.capacity)
        let copiedByteCount = isPossible ? Int(byteCount) : 0
        // The publication time precedes the text.
        let allocation = UnsafeMutableRawBufferPointer.allocate(
            byteCount: 8 + Layout.roundedToWord(copiedByteCount), alignment: 8)
        unsafe allocation.storeBytes(of: publicationTime, as: UInt64.self)
        let words = unsafe UnsafeMutableRawBufferPointer(rebasing: allocation[8...])
        let text = unsafe Borrow(
            text: UnsafeRawBufferPointer(rebasing: words[..<copiedByteCount]), current: current,
            token: .copy(allocation.baseAddress.unsafelyUnwrapped))
        try unsafe read(slot, into: words)
        PausePoint.copyRead.reached()
        // Pairs with the writer's fence between its first stamp and the bytes: if any of its bytes was read, its stamp is
        // seen.
        atomicMemoryFence(ordering: .acquiring)
        guard view.slots[slot].stamp.load(ordering: .relaxed) == current.number else { return nil }
        guard isPossible else { throw corrupted("the text has \(byteCount) bytes") }
        return text
    }

    /// Reads words that a writer may be writing.
    ///
    /// A slot that is no longer current may lose its memory meanwhile, except for its first page. Reading such a hole
    /// through the mapping would take memory, and raise `SIGBUS` if none is left; `pread` reads it as zeros.
    private func read(_ slot: Int, into copy: UnsafeMutableRawBufferPointer) throws(SegmentError) {
        guard copy.count <= Layout.pageByteCount else {
            let offset = membership.view.geometry.slotOffset(slot)
            let count = try fromSystem(unsafe open.descriptor.read(into: copy, at: offset))
            guard count == copy.count else { throw corrupted("the file ends within the text") }
            return
        }
        unsafe membership.view.loadWords(ofSlot: slot, into: copy)
    }

    func corrupted(_ reason: String) -> SegmentError { .corrupted(path: open.file.path, reason: reason) }
}
