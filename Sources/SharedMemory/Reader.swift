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
/// A reader holds one of the segment's 64 pins for as long as it lives, and leaves it on the text that it read last. While
/// that text is the current one, reading it again takes two loads, and writes nothing that another processor would have to
/// see. If a thread reads constantly, give it a reader. ``Segment/withText(_:)`` holds a pin only while it reads.
///
/// The text that was read last keeps its memory until the next read: call ``unpin()`` before a long pause. In a forked
/// child, a reader takes a pin of the child's own at its first use.
@safe public struct Reader: ~Copyable, @unchecked Sendable {
    private let segment: Segment
    /// Leads to this process's attachment; `attachment` is the one with which the pin was taken.
    @usableFromInline let attached: UnsafePointer<AtomicAddress>
    @usableFromInline var attachment: UInt
    private var pin: UnsafePointer<PinLine>
    @usableFromInline var currentWord: UnsafePointer<AtomicWord>
    /// The publication whose slot is pinned, or ``PublicationWord/none``.
    @usableFromInline var pinned = PublicationWord.none
    /// Equals `pinned` once its text was found to be UTF-8.
    @usableFromInline var checked = PublicationWord.none
    /// Equals `pinned` once `string` holds its text.
    @usableFromInline var copied = PublicationWord.none
    @usableFromInline package private(set) var text = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    @usableFromInline var string = ""

    init(_ segment: Segment) throws(SegmentError) {
        let reference = try segment.reference()
        let ownPin = unsafe try reference.ownPin()
        self.segment = segment
        unsafe attached = segment.cell.address
        attachment = reference.bits
        unsafe pin = ownPin
        unsafe currentWord = reference.membership.view.currentWord
    }

    deinit {
        // In a forked child that has not used it, the pin is the parent's.
        guard isOfThisProcess else { return }
        // Releasing: pairs with a writer's load of the pin; all reading comes before.
        unsafe pin.pointee.word.store(0, ordering: .releasing)
    }

    /// Reads the shared bytes in place; they do not change until `body` returns.
    ///
    /// Unlike ``Segment/withBytes(_:)``, it never reads a copy.
    ///
    /// - Throws: ``SegmentError``, or what `body` throws.
    @inlinable @inline(__always)
    public mutating func withBytes<Result: ~Copyable>(_ body: (RawSpan) throws -> Result) throws -> Result {
        if !isCurrent(pinned) { try pinCurrent() }
        let text = unsafe text
        return try body(unsafe text.bytes)
    }

    /// Reads the shared text in place; it does not change until `body` returns.
    ///
    /// Unlike ``Segment/withText(_:)``, it never reads a copy.
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
        guard pinned != .none, isOfThisProcess else { return nil }
        return Version(instance: reference.membership.instance, number: pinned.number)
    }

    /// Lets go of the text that was read last, so that its memory can hold another one; the next read pins the current text.
    public mutating func unpin() {
        guard pinned != .none else { return }
        forget()
        guard isOfThisProcess else { return }
        // Releasing: pairs with a writer's load of the pin; all reading comes before.
        unsafe pin.pointee.word.store(reference.membership.ownedPinWord, ordering: .releasing)
    }

    // MARK: Pinning

    /// Whether a publication that was pinned is still the current one.
    ///
    /// Every writer has seen its pin since, so this needs no ordering of its own.
    @inlinable @inline(__always)
    func isCurrent(_ publication: PublicationWord) -> Bool {
        guard isOfThisProcess else { return false }
        let current = unsafe currentWord.pointee.word.load(ordering: .acquiring)
        // Only in a damaged file is `none` current.
        return current == publication.rawValue && current != PublicationWord.none.rawValue
    }

    /// False in a forked child that has not taken a pin yet: there, the pin's memory is the parent's and not mapped.
    @inlinable @inline(__always)
    var isOfThisProcess: Bool { unsafe attached.pointee.word.load(ordering: .acquiring) == attachment }

    /// For the C interface: whether the text that was read last is still the current one; if not, call ``pinCurrent()``.
    @inlinable @inline(__always)
    package var isUpToDate: Bool { isCurrent(pinned) }

    /// The version of the text that was read last, and the time it was set; for the C interface.
    package func identify() -> (Version, Timestamp) { reference.membership.identify(pinned) }

    private var reference: AttachmentReference { AttachmentReference(bits: attachment) }

    /// Moves the pin to the current text.
    @usableFromInline @inline(never)
    package mutating func pinCurrent() throws(SegmentError) {
        let reference = try segment.reference()
        forget()
        if reference.bits != attachment {
            // A forked child takes a pin of its own, and leaves its parent's pin alone.
            unsafe pin = try reference.ownPin()
            unsafe currentWord = reference.membership.view.currentWord
            attachment = reference.bits
        }
        let membership = reference.membership
        var current = membership.view.loadCurrent()
        PausePoint.readLoaded.reached()
        // As in `borrow`: of this reader and a writer that claims the slot, one sees the other.
        while current.number > 0 {
            unsafe pin.pointee.word.store(membership.pinWord(on: current.slot), ordering: .sequentiallyConsistent)
            PausePoint.readPinned.reached()
            let latest = membership.view.loadCurrent()
            if latest == current { break }
            current = latest
        }
        if current.number > 0 {
            guard current.slot < Layout.slotCount, let found = unsafe membership.view.text(ofSlot: current.slot) else {
                unsafe pin.pointee.word.store(membership.ownedPinWord, ordering: .releasing)
                throw reference.corrupted(current)
            }
            unsafe text = found
        }
        PausePoint.readChecked.reached()
        pinned = current
    }

    /// Pins the current text and makes sure that this process has found it to be UTF-8.
    @usableFromInline @inline(never)
    mutating func checkCurrent() throws(SegmentError) {
        if !isCurrent(pinned) { try pinCurrent() }
        unsafe try reference.check(text, of: pinned)
        checked = pinned
    }

    /// Pins the current text, checks it, and makes it a `String`.
    @usableFromInline @inline(never)
    mutating func copyCurrent() throws(SegmentError) {
        if !isCurrent(checked) { try checkCurrent() }
        string = String(copying: unsafe UTF8Span(unchecked: Span(_bytes: text.bytes)))
        copied = checked
    }

    private mutating func forget() {
        pinned = .none
        checked = .none
        copied = .none
        string = ""
        unsafe text = UnsafeRawBufferPointer(start: nil, count: 0)
    }
}

extension AttachmentReference {
    /// Takes a pin for a reader.
    fileprivate func ownPin() throws(SegmentError) -> UnsafePointer<PinLine> {
        let attachment = attachment
        let name = attachment.open.file.name.description
        guard attachment.row != nil else { throw .readOnly(name: name) }
        if let pin = unsafe membership.takePin(membership.ownedPinWord) { return unsafe pin }
        attachment.sweep()
        if let pin = unsafe membership.takePin(membership.ownedPinWord) { return unsafe pin }
        throw .tooManyReaders(name: name, limit: Layout.pinCount)
    }
}

extension Membership {
    /// The word of a pin that has an owner but is on no slot.
    fileprivate var ownedPinWord: UInt64 { mark << 32 }
}

extension PublicationWord {
    /// No publication: no slot has this number.
    @usableFromInline static let none = PublicationWord(rawValue: .max)
}
