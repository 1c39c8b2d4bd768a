import CLinux
public import Synchronization

/// Text that does not change: the shared bytes themselves under a pin, or a copy of them if no pin is available.
///
/// Its slot is not filled again until its life ends. It has four words, so that it is returned in registers.
@frozen @safe @usableFromInline package struct Borrow: ~Copyable {
    @usableFromInline package let text: UnsafeRawBufferPointer
    @usableFromInline let current: PublicationWord
    @usableFromInline let token: BorrowToken

    /// The empty text that a segment is created with.
    static var empty: Borrow {
        unsafe Borrow(
            text: UnsafeRawBufferPointer(start: nil, count: 0), current: PublicationWord(rawValue: 0),
            token: BorrowToken(rawValue: 0))
    }

    @inlinable
    deinit { token.end() }

    package var number: UInt64 { current.number }

    /// Leaves the end of the borrow to the caller. (An owned value that a span depends on would be boxed.)
    @inlinable
    package consuming func leak() -> BorrowToken {
        let token = token
        discard self
        return token
    }
}

/// Ends a borrow: it stands for a pin, or for the allocation of a copy.
@frozen @safe @usableFromInline package struct BorrowToken: RawRepresentable, Sendable {
    /// 0 for the empty text, else the address of a pin, or the address of a copy plus 1.
    @usableFromInline package let rawValue: UInt

    @inlinable
    package init(rawValue: UInt) { self.rawValue = rawValue }

    /// Whether the text is the shared bytes themselves.
    @inlinable
    package var isPin: Bool { rawValue != 0 && rawValue & 1 == 0 }

    @inline(__always)
    static func pin(_ pin: UnsafePointer<PinLine>) -> BorrowToken { BorrowToken(rawValue: UInt(bitPattern: pin)) }

    static func copy(_ address: UnsafeMutableRawPointer) -> BorrowToken {
        BorrowToken(rawValue: UInt(bitPattern: address) | 1)
    }

    var copyAddress: UnsafeMutableRawPointer? {
        unsafe rawValue & 1 == 1 ? UnsafeMutableRawPointer(bitPattern: rawValue & ~1) : nil
    }

    @inlinable @inline(__always)
    package func end() {
        if rawValue == 0 { return }
        if rawValue & 1 == 1 { return endCopy() }
        // Releasing: pairs with a writer's load of the pin; all reading comes before.
        unsafe UnsafePointer<AtomicWord>(bitPattern: rawValue).unsafelyUnwrapped.pointee.word
            .store(0, ordering: .releasing)
    }

    @usableFromInline @inline(never)
    func endCopy() { unsafe copyAddress?.deallocate() }
}

extension AttachmentReference {
    /// Borrows the current text: one compare-and-exchange to begin, one store to end.
    @inline(__always)
    func borrow() throws(SegmentError) -> Borrow {
        let membership = membership
        let view = membership.view
        var current = view.loadCurrent()
        if current.number == 0 { return .empty }
        PausePoint.borrowLoaded.reached()
        guard membership.mark != 0, let pin = unsafe membership.takePin(membership.pinWord(on: current.slot)) else {
            return try borrowWithoutPin()
        }
        PausePoint.borrowPinned.reached()
        // A writer claims a slot and then looks at the pins; a reader pins a slot and then looks whether it is still
        // current. All four are sequentially consistent, so one of the two sees the other.
        while true {
            let latest = view.loadCurrent()
            if latest == current { break }
            current = latest
            unsafe pin.pointee.word.store(membership.pinWord(on: current.slot), ordering: .sequentiallyConsistent)
            PausePoint.borrowPinnedAgain.reached()
        }
        guard current.slot < Layout.slotCount, let text = unsafe view.text(ofSlot: current.slot) else {
            unsafe pin.pointee.word.store(0, ordering: .releasing)
            throw corrupted(current)
        }
        PausePoint.borrowChecked.reached()
        return unsafe Borrow(text: text, current: current, token: .pin(pin))
    }

    @inline(never)
    func corrupted(_ current: PublicationWord) -> SegmentError {
        with { $0.corrupted("the current slot is \(current.slot), or its text is longer than the capacity") }
    }

    /// Copies the text, because all pins are taken or the attachment is read-only.
    @inline(never)
    private func borrowWithoutPin() throws(SegmentError) -> Borrow {
        let attachment = attachment
        if attachment.row != nil { attachment.sweep() }
        return try attachment.copyCurrent()
    }
}

extension Membership {
    /// The version of a borrowed text, and the time it became the current one.
    @inline(__always)
    func identify(_ borrow: borrowing Borrow) -> (Version, Timestamp) {
        guard let copy = unsafe borrow.token.copyAddress else { return identify(borrow.current) }
        let time = unsafe copy.load(as: UInt64.self)
        return (Version(instance: instance, number: borrow.number), Timestamp(nanosecondsSince1970: time))
    }

    /// The version of a publication whose slot is pinned, and the time it became the current one.
    @inline(__always)
    func identify(_ pinned: PublicationWord) -> (Version, Timestamp) {
        let time =
            pinned.number == 0
            ? view.header.identity.creationTime
            : view.header.slots[pinned.slot].publicationTime.load(ordering: .relaxed)
        return (Version(instance: instance, number: pinned.number), Timestamp(nanosecondsSince1970: time))
    }

    var holdsPins: Bool {
        // Acquiring: pairs with the end of a borrow in another thread; its reading is over then.
        (0..<Layout.pinCount).contains { view.header.pins[$0].word.load(ordering: .acquiring) >> 32 == mark }
    }

    @inline(__always)
    func pinWord(on slot: Int) -> UInt64 { mark << 32 | UInt64(slot + 1) }

    /// Takes a free pin and stores `word` in it; nil if all are taken.
    @inline(__always)
    func takePin(_ word: UInt64) -> UnsafePointer<PinLine>? {
        // Threads begin at different pins, so that they do not contend for one cache line.
        let token = (clinux_thread_token() ^ seed) &* 0x9e37_79b9_7f4a_7c15
        let preferred = Int(truncatingIfNeeded: token >> 58)
        return unsafe view.take(pin: preferred, word) ? view.pin(preferred) : view.takePin(otherThan: preferred, word)
    }
}

extension SegmentView {
    @inline(__always)
    fileprivate func take(pin index: Int, _ word: UInt64) -> Bool {
        // Sequentially consistent: see `borrow`.
        header.pins[index].word.compareExchange(expected: 0, desired: word, ordering: .sequentiallyConsistent).exchanged
    }

    @inline(never)
    fileprivate func takePin(otherThan preferred: Int, _ word: UInt64) -> UnsafePointer<PinLine>? {
        for offset in 1..<Layout.pinCount {
            let index = (preferred + offset) % Layout.pinCount
            if take(pin: index, word) { return unsafe pin(index) }
        }
        return nil
    }
}
