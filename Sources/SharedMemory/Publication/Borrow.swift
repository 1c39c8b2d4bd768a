import CLinux
import LinuxSystem
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
            token: .none)
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
    /// The address of a pin, or the address of a copy plus 1; 1 if there is neither, as for the empty text.
    @usableFromInline package let rawValue: UInt

    @inlinable
    package init(rawValue: UInt) { self.rawValue = rawValue }

    /// Whether the text is the shared bytes themselves.
    @inlinable
    package var isPin: Bool { rawValue & 1 == 0 }

    /// Holds nothing.
    @usableFromInline static let none = BorrowToken(rawValue: 1)

    @inline(__always)
    static func pin(_ pin: UnsafePointer<PinLine>) -> BorrowToken { BorrowToken(rawValue: UInt(bitPattern: pin)) }

    static func copy(_ address: UnsafeMutableRawPointer) -> BorrowToken {
        BorrowToken(rawValue: UInt(bitPattern: address) | 1)
    }

    @inline(__always)
    var pin: UnsafePointer<PinLine>? { unsafe isPin ? UnsafePointer(bitPattern: rawValue) : nil }

    var copyAddress: UnsafeMutableRawPointer? {
        unsafe isPin ? nil : UnsafeMutableRawPointer(bitPattern: rawValue & ~1)
    }

    @inlinable @inline(__always)
    package func end() {
        guard isPin else { return endCopy() }
        // Releasing: pairs with a writer's load of the pin; all reading comes before.
        unsafe UnsafePointer<AtomicWord>(bitPattern: rawValue).unsafelyUnwrapped.pointee.word
            .store(0, ordering: .releasing)
    }

    @usableFromInline @inline(never)
    func endCopy() { unsafe copyAddress?.deallocate() }
}

/// A borrowed text, and which one it is.
@safe package struct Publication {
    /// Valid for as long as the text is borrowed, and never nil: the empty text has an address too.
    package let address: UnsafeRawPointer
    package let byteCount: Int
    package let version: Version
    /// When the text was set.
    package let time: Timestamp
    package let hold: BorrowToken

    package var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: address, count: byteCount) }
}

extension AttachmentReference {
    /// Borrows the current text: one compare-and-exchange to begin, one store to end.
    @inline(__always)
    func borrow() throws(SegmentError) -> Borrow {
        let view = membership.view
        let current = view.loadCurrent()
        let mark = with { $0.knownMark }
        guard current.number > 0, mark != 0 else { return try borrowAnyhow() }
        PausePoint.borrowLoaded.reached()
        guard let pin = unsafe view.takeLastPin(PinLine.word(mark, on: current.slot)) else {
            return try borrowAnyhow()
        }
        return try unsafe move(pin, to: current, mark)
    }

    /// Borrows the current text where that takes a row first, or another pin than the last one, or a copy.
    @inline(never)
    private func borrowAnyhow() throws(SegmentError) -> Borrow {
        let current = membership.view.loadCurrent()
        if current.number == 0 { return .empty }
        PausePoint.borrowLoaded.reached()
        let mark = with { $0.mark }
        guard mark != 0, let pin = unsafe takePin(PinLine.word(mark, on: current.slot)) else {
            return try borrowWithoutPin()
        }
        return try unsafe move(pin, to: current, mark)
    }

    /// Moves a pin from the slot that was current when it was taken to the current one, and borrows its text.
    @inline(__always)
    private func move(
        _ pin: UnsafePointer<PinLine>, to current: PublicationWord, _ mark: UInt64
    ) throws(SegmentError) -> Borrow {
        let view = membership.view
        var current = current
        PausePoint.borrowPinned.reached()
        // A writer claims a slot and then looks at the pins; a reader pins a slot and then looks whether it is still
        // current. All four are sequentially consistent, so one of the two sees the other.
        while true {
            let latest = view.loadCurrent()
            if latest == current { break }
            current = latest
            unsafe pin.pointee.word.store(PinLine.word(mark, on: current.slot), ordering: .sequentiallyConsistent)
            PausePoint.borrowPinnedAgain.reached()
        }
        guard current.slot < view.geometry.slotCount, let text = unsafe view.text(ofSlot: current.slot) else {
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
        return try preservingErrno { () throws(SegmentError) in
            attachment.sweepPins()
            return try attachment.copyCurrent()
        }
    }
}

extension Membership {
    /// The text that a pin or a copy holds.
    @inline(__always)
    func publication(_ text: UnsafeRawBufferPointer, _ current: PublicationWord, _ hold: BorrowToken) -> Publication {
        let time: UInt64 =
            if current.number == 0 {
                view.identity.creationTime
            } else if let copy = unsafe hold.copyAddress {
                unsafe copy.load(as: UInt64.self)
            } else {
                view.slots[current.slot].publicationTime.load(ordering: .relaxed)
            }
        return unsafe Publication(
            address: text.baseAddress ?? UnsafeRawPointer(("" as StaticString).utf8Start), byteCount: text.count,
            version: Version(instance: instance, number: current.number),
            time: Timestamp(nanosecondsSince1970: time), hold: hold)
    }

    /// A borrowed text, whose borrow goes on.
    @inline(__always)
    func publication(_ borrow: borrowing Borrow) -> Publication {
        unsafe publication(borrow.text, borrow.current, borrow.token)
    }
}

// MARK: Pins

extension PinLine {
    /// What a pin's owner stores in it.
    @inline(__always)
    static func word(_ mark: UInt64, on slot: Int) -> UInt64 { mark << 32 | UInt64(slot + 1) }

    /// What a pin contains whose owner keeps it without reading.
    static func word(_ mark: UInt64) -> UInt64 { mark << 32 }
}

extension AttachmentReference {
    /// Takes a free pin and stores `word` in it; nil if all are taken.
    func takePin(_ word: UInt64) -> UnsafePointer<PinLine>? {
        let view = membership.view
        if let pin = unsafe view.takeLastPin(word) { return unsafe pin }
        var index = 0
        while true {
            // The mark comes first: a writer that does not see it raised has not looked at the current word yet, or the
            // caller's second look finds what that writer published.
            if index == view.mark(of: .pins), !preservingErrno({ attachment.growPins(beyond: index) }) { return nil }
            if let pin = unsafe view.take(pin: index, word) {
                clinux_set_last_pin(UInt32(index))
                return unsafe pin
            }
            index += 1
        }
    }

    /// Ends a borrow that holds a pin; false if the pin is not one of this attachment.
    @inline(__always)
    func end(_ token: BorrowToken) -> Bool {
        // The pin of a parent may have the same address here, but its owner's mark is another one.
        guard let pin = unsafe membership.view.pins.word(at: token.rawValue),
            unsafe pin.pointee.word.load(ordering: .relaxed) >> 32 == with({ $0.keptMark.load(ordering: .relaxed) })
        else { return false }
        // Releasing: pairs with a writer's load of the pin; all reading comes before.
        unsafe pin.pointee.word.store(0, ordering: .releasing)
        return true
    }
}

extension SegmentView {
    /// Takes the pin that this thread took last, which is most likely free, and in no other processor's cache.
    @inline(__always)
    fileprivate func takeLastPin(_ word: UInt64) -> UnsafePointer<PinLine>? {
        let index = Int(clinux_last_pin())
        return unsafe index < mark(of: .pins) ? take(pin: index, word) : nil
    }

    @inline(__always)
    fileprivate func take(pin index: Int, _ word: UInt64) -> UnsafePointer<PinLine>? {
        let pin = unsafe pins.address(of: index)
        // Sequentially consistent: see `borrow`.
        let (isTaken, _) = unsafe pin.pointee.word.compareExchange(
            expected: 0, desired: word, ordering: .sequentiallyConsistent)
        return unsafe isTaken ? pin : nil
    }
}

extension Attachment {
    fileprivate func growPins(beyond mark: Int) -> Bool {
        (try? open.grow(.pins, of: membership.view, beyond: mark)) == true
    }

    var holdsPins: Bool {
        let mark = keptMark.load(ordering: .acquiring)
        let view = membership.view
        // Acquiring: pairs with the end of a borrow in another thread; its reading is over then.
        return mark != 0
            && (0..<view.mark(of: .pins)).contains { view.pins[$0].word.load(ordering: .acquiring) >> 32 == mark }
    }
}
