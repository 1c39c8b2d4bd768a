public import Synchronization

/// Reads a segment's text over and over in one thread at a time; no other way to read is as fast.
///
/// ```swift
/// var reader = try segment.makeReader()
/// while let request = next() {
///     try reader.withText { text in answer(request, by: text) }
/// }
/// ```
///
/// A reader holds one of the segment's pins for as long as it lives, and leaves it on the text that it read last. While
/// that text is the current one, reading it again takes two loads, and writes nothing that another processor would have to
/// see. If a thread reads constantly, give it a reader. ``Segment/withText(_:)`` holds a pin only while it reads.
///
/// If all pins are taken, or the segment is attached read-only, a reader copies each version once and reads its copy, in
/// the same two loads.
///
/// The text that was read last keeps its memory until the next read: call ``unpin()`` before a long pause. In a forked
/// child, a reader takes a pin of the child's own at its first use.
@safe public struct Reader: ~Copyable, @unchecked Sendable {
    private let segment: Segment
    /// Leads to this process's attachment; `attachment` is the one that `hold` belongs to.
    @usableFromInline let attached: UnsafePointer<AtomicAddress>
    @usableFromInline var attachment: UInt
    @usableFromInline var currentWord: UnsafePointer<AtomicWord>
    /// What keeps the text: the reader's pin, which it owns from its first read on, or a copy.
    private var hold = BorrowToken.none
    /// The publication that is held, or ``PublicationWord/none``.
    @usableFromInline var held = PublicationWord.none
    /// Equals `held` once its text was found to be UTF-8.
    @usableFromInline var checked = PublicationWord.none
    /// Equals `held` once `string` holds its text.
    @usableFromInline var copied = PublicationWord.none
    @usableFromInline package private(set) var text = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    @usableFromInline var string = ""

    init(_ segment: Segment) throws(SegmentError) {
        let reference = try segment.reference()
        self.segment = segment
        unsafe attached = segment.cell.address
        attachment = reference.bits
        unsafe currentWord = reference.membership.view.currentWord
    }

    deinit {
        // In a forked child that has not used it, the pin is the parent's.
        if !hold.isPin || isOfThisProcess { hold.end() }
    }

    /// Reads the bytes of the text; they do not change until `body` returns.
    ///
    /// - Throws: ``SegmentError``, or what `body` throws.
    @inlinable @inline(__always)
    public mutating func withBytes<Result: ~Copyable>(_ body: (RawSpan) throws -> Result) throws -> Result {
        if !isCurrent(held) { try renew() }
        let text = unsafe text
        return try body(unsafe text.bytes)
    }

    /// Reads the text; it does not change until `body` returns.
    ///
    /// - Throws: ``SegmentError``, or what `body` throws.
    @inlinable @inline(__always)
    public mutating func withText<Result: ~Copyable>(_ body: (UTF8Span) throws -> Result) throws -> Result {
        if !isCurrent(checked) { try checkCurrent() }
        let text = unsafe text
        return try body(unsafe UTF8Span(unchecked: Span(_bytes: text.bytes)))
    }

    /// Returns the text as a `String`, which is made once for each version of the text.
    ///
    /// - Throws: ``SegmentError``
    @inlinable @inline(__always)
    public mutating func get() throws(SegmentError) -> String {
        if !isCurrent(copied) { try copyCurrent() }
        return string
    }

    /// The version of the text that was read last; nil before the first read, and after ``unpin()``.
    ///
    /// If it is the same after a read as before, whatever was made of the text, such as a parsed form, is still valid.
    public var version: Version? {
        guard held != .none, isOfThisProcess else { return nil }
        return Version(instance: reference.membership.instance, number: held.number)
    }

    /// Lets go of the text that was read last, so that its memory can hold another one; the next read gets the current text.
    public mutating func unpin() {
        guard held != .none else { return }
        forget()
        guard isOfThisProcess, let pin = unsafe hold.pin else { return }
        // Releasing: pairs with a writer's load of the pin; all reading comes before.
        unsafe pin.pointee.word.store(PinLine.word(reference.with { $0.mark }), ordering: .releasing)
    }

    // MARK: Holding the text

    /// Whether a publication that is held is still the current one.
    ///
    /// Every writer has seen its pin since, or it is a copy, so this needs no ordering of its own.
    @inlinable @inline(__always)
    func isCurrent(_ publication: PublicationWord) -> Bool {
        guard isOfThisProcess else { return false }
        let current = unsafe currentWord.pointee.word.load(ordering: .acquiring)
        // Only in a damaged file is `none` current.
        return current == publication.rawValue && current != PublicationWord.none.rawValue
    }

    /// False in a forked child that has not read yet: there, the pin's memory is the parent's and not mapped.
    @inlinable @inline(__always)
    var isOfThisProcess: Bool { unsafe attached.pointee.word.load(ordering: .acquiring) == attachment }

    /// For the C interface: whether the text that was read last is still the current one; if not, call ``renew()``.
    @inlinable @inline(__always)
    package var isUpToDate: Bool { isCurrent(held) }

    /// The text that was read last, which the reader holds; for the C interface.
    package var publication: Publication { unsafe reference.membership.publication(text, held, hold) }

    private var reference: AttachmentReference { AttachmentReference(bits: attachment) }

    /// Gets hold of the current text.
    @usableFromInline @inline(never)
    package mutating func renew() throws(SegmentError) {
        let reference = try segment.reference()
        forget()
        if reference.bits != attachment {
            // A forked child takes a pin of its own, and leaves its parent's pin alone.
            hold = .none
            unsafe currentWord = reference.membership.view.currentWord
            attachment = reference.bits
        }
        if unsafe hold.pin == nil { hold = reference.ownPin() }
        if let pin = unsafe hold.pin {
            unsafe try moveToCurrent(pin, reference)
        } else {
            let copy = try reference.attachment.copyCurrent()
            unsafe text = copy.text
            held = copy.current
            hold = copy.leak()
        }
    }

    /// Moves the reader's pin to the current text.
    private mutating func moveToCurrent(
        _ pin: UnsafePointer<PinLine>, _ reference: AttachmentReference
    ) throws(SegmentError) {
        let view = reference.membership.view
        let mark = reference.with { $0.mark }
        var current = view.loadCurrent()
        PausePoint.readLoaded.reached()
        // As in `borrow`: of this reader and a writer that claims the slot, one sees the other.
        while current.number > 0 {
            unsafe pin.pointee.word.store(PinLine.word(mark, on: current.slot), ordering: .sequentiallyConsistent)
            PausePoint.readPinned.reached()
            let latest = view.loadCurrent()
            if latest == current { break }
            current = latest
        }
        if current.number > 0 {
            guard current.slot < view.geometry.slotCount, let found = unsafe view.text(ofSlot: current.slot) else {
                unsafe pin.pointee.word.store(PinLine.word(mark), ordering: .releasing)
                throw reference.corrupted(current)
            }
            unsafe text = found
        }
        PausePoint.readChecked.reached()
        held = current
    }

    /// Gets hold of the current text and makes sure that this process has found it to be UTF-8.
    @usableFromInline @inline(never)
    mutating func checkCurrent() throws(SegmentError) {
        if !isCurrent(held) { try renew() }
        unsafe try reference.check(text, of: held)
        checked = held
    }

    /// Gets hold of the current text, checks it, and makes it a `String`.
    @usableFromInline @inline(never)
    mutating func copyCurrent() throws(SegmentError) {
        if !isCurrent(checked) { try checkCurrent() }
        string = String(copying: unsafe UTF8Span(unchecked: Span(_bytes: text.bytes)))
        copied = checked
    }

    private mutating func forget() {
        held = .none
        checked = .none
        copied = .none
        string = ""
        unsafe text = UnsafeRawBufferPointer(start: nil, count: 0)
        if !hold.isPin {
            hold.end()
            hold = .none
        }
    }
}

extension AttachmentReference {
    /// Takes a pin for a reader, or returns ``BorrowToken/none``.
    fileprivate func ownPin() -> BorrowToken {
        let attachment = attachment
        let mark = attachment.mark
        guard mark != 0 else { return .none }
        if let pin = unsafe takePin(PinLine.word(mark)) { return unsafe .pin(pin) }
        attachment.sweepPins()
        if let pin = unsafe takePin(PinLine.word(mark)) { return unsafe .pin(pin) }
        return .none
    }
}

extension PublicationWord {
    /// No publication: no segment has so many slots.
    @usableFromInline static let none = PublicationWord(rawValue: .max)
}
